"""fct_conversion_repeat: reports of an outcome that another report already counts for."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import SparkSession
from support.ads import ADVERTISER, versions
from support.rows import Row, at, rows

from etl.subjects.ads.facts import stg_conversions
from etl.subjects.ads.facts.fct_conversion_repeat import transform

SOLD = at("12:00", 10)
HOUR, MS = timedelta(hours=1), timedelta(milliseconds=1)


def repeats(spark: SparkSession, reports: list[Row]) -> dict[int, int]:
    """Repeat -> the conversion that counts. A report is of order A, and is received when it happens, unless it says."""
    order: Row = {"advertiser_id": ADVERTISER, "dedup_key": "A", "conversion_ts": SOLD}
    given = [order | report for report in reports]
    landed = [{"received_ts": report["conversion_ts"]} | report for report in given]
    conversions = rows(spark, stg_conversions.TABLE, landed)
    made = transform(conversions, versions(spark)["dim_advertisers"]).collect()
    return {row.conversion_id: row.counted_conversion_id for row in made}


def test_an_order_that_pixel_and_server_report_counts_once(spark: SparkSession) -> None:
    """The naive answer, the number of conversions, is 2. The pixel knows the user; the server knows the order only."""
    pixel: Row = {"user_id": 7, "source": "pixel"}
    server: Row = {"source": "server", "conversion_ts": SOLD - MS, "received_ts": SOLD + HOUR}

    assert repeats(spark, [pixel, server]) == {2: 1}


def test_reports_of_one_outcome_have_one_advertiser_event_and_key(spark: SparkSession) -> None:
    others: list[Row] = [
        {"advertiser_id": 9}, {"advertiser_id": None}, {"event_name": "sign_up"}, {"dedup_key": "B"},
        {"dedup_key": None}, {"dedup_key": None},
    ]  # fmt: skip

    assert repeats(spark, [{}, *others]) == {}


def test_no_event_means_a_purchase(spark: SparkSession) -> None:
    assert repeats(spark, [{}, {"event_name": "purchase"}]) == {2: 1}


def test_reports_less_than_48_hours_apart_are_of_one_outcome(spark: SparkSession) -> None:
    times = [SOLD, SOLD + 48 * HOUR - MS, SOLD + 48 * HOUR]

    assert repeats(spark, [{"conversion_ts": t} for t in times]) == {2: 1}


def test_a_repeat_makes_no_other_report_a_repeat(spark: SparkSession) -> None:
    """The third is 40 hours after the second, which is a repeat, and 80 hours after the first, which counts."""
    assert repeats(spark, [{"conversion_ts": SOLD + 40 * i * HOUR} for i in range(3)]) == {2: 1}


def test_the_report_that_was_received_first_counts_then_the_smaller_id(spark: SparkSession) -> None:
    received = [SOLD + HOUR, SOLD, SOLD]

    assert repeats(spark, [{"received_ts": t} for t in received]) == {1: 2, 3: 2}


def test_a_report_after_the_lock_of_its_day_counts_for_no_other(spark: SparkSession) -> None:
    """The first happens on a day that is locked when it is received; the second is a day later and still in time."""
    late = at("00:00", 18)

    assert repeats(spark, [{"received_ts": late}, {"conversion_ts": SOLD + 24 * HOUR, "received_ts": late + MS}]) == {}
