"""How late records land, and how many hours a run must look back."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import DataFrame, SparkSession
from support.local_lake import Simulated
from support.rows import at

from etl.reports.lateness import LOOK_BACKS, measure, of_lake

TEN = at("10:00")


def landed(spark: SparkSession, *before: timedelta) -> DataFrame:
    """Clicks that happened this long before the start of their landed hour."""
    rows = [("ad_clicks", TEN - each, TEN) for each in before]
    return spark.createDataFrame(rows, "source STRING, event_ts TIMESTAMP, landed_hour TIMESTAMP")


def test_a_look_back_includes_events_at_its_limit_and_nothing_earlier(spark: SparkSession) -> None:
    """One click is on time, one is two hours late, and one is a millisecond later than that."""
    late = landed(spark, timedelta(minutes=-5), timedelta(hours=2), timedelta(hours=2, milliseconds=1))

    found = measure(late, 0.0)

    assert found.missed["ad_clicks"] == {x: {1: 2 / 3, 2: 1 / 3}.get(x, 0.0) for x in LOOK_BACKS}
    assert found.recommended == {"ad_clicks": 3}


def test_no_look_back_is_recommended_when_none_is_long_enough(spark: SparkSession) -> None:
    assert measure(landed(spark, timedelta(hours=49)), 0.5).recommended == {"ad_clicks": None}


def test_delays_end_with_the_landed_hour_and_are_grouped_by_source_and_hour_of_day(spark: SparkSession) -> None:
    found = measure(landed(spark, timedelta(minutes=-30), timedelta(minutes=30)), 0.0)

    whole = {
        "source": "ad_clicks",
        "hour_of_day": None,
        "records": 2,
        "p50": 3600,
        "p90": 5040,
        "p95": 5220,
        "p99": 5364,
    }
    assert found.delays[0] == whole
    assert [(row["hour_of_day"], row["p50"]) for row in found.delays[1:]] == [(9, 5400), (10, 1800)]


def test_every_source_of_a_lake_is_measured_by_its_event_time(spark: SparkSession, simulated_ads: Simulated) -> None:
    """Conversions are reported days later; clicks are not."""
    found = of_lake(spark, simulated_ads.settings, 0.001)

    assert {row["source"] for row in found.delays} == set(found.missed)
    assert {"ad_clicks", "ad_impressions", "page_events", "conversions"} <= set(found.missed)
    for shares in found.missed.values():
        assert list(shares) == list(LOOK_BACKS)
        assert sorted(shares.values(), reverse=True) == list(shares.values())
    assert found.missed["conversions"][48] > found.missed["ad_clicks"][48]
