"""How late records land, and how far back a run must look."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import DataFrame, SparkSession
from support.local_lake import Simulated
from support.rows import at

from etl.reports.lateness import LOOK_BACKS, measure, of_lake

TEN = at("10:00")


def landed(spark: SparkSession, *before: timedelta) -> DataFrame:
    """Clicks that happened so long before the start of the hour they landed in."""
    rows = [("ad_clicks", TEN - each, TEN) for each in before]
    return spark.createDataFrame(rows, "source STRING, event_ts TIMESTAMP, landed_hour TIMESTAMP")


def test_a_look_back_sees_what_happened_exactly_so_long_ago_and_no_more(spark: SparkSession) -> None:
    """One on time, one two hours late, one a millisecond more."""
    late = landed(spark, timedelta(minutes=-5), timedelta(hours=2), timedelta(hours=2, milliseconds=1))

    found = measure(late, 0.0)

    assert found.missed["ad_clicks"] == {x: {1: 2 / 3, 2: 1 / 3}.get(x, 0.0) for x in LOOK_BACKS}
    assert found.recommended == {"ad_clicks": 3}


def test_no_look_back_is_recommended_when_none_is_long_enough(spark: SparkSession) -> None:
    assert measure(landed(spark, timedelta(hours=49)), 0.5).recommended == {"ad_clicks": None}


def test_delays_run_to_the_end_of_the_landed_hour_by_source_and_hour_of_day(spark: SparkSession) -> None:
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


def test_every_source_of_a_lake_is_told_of_by_the_time_its_events_happened(
    spark: SparkSession, simulated_ads: Simulated
) -> None:
    """Conversions, which are told of days after, and clicks, which are not."""
    found = of_lake(spark, simulated_ads.settings, 0.001)

    assert {row["source"] for row in found.delays} == set(found.missed)
    assert {"ad_clicks", "ad_impressions", "page_events", "conversions"} <= set(found.missed)
    for shares in found.missed.values():
        assert list(shares) == list(LOOK_BACKS)
        assert sorted(shares.values(), reverse=True) == list(shares.values())
    assert found.missed["conversions"][48] > found.missed["ad_clicks"][48]
