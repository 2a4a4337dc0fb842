"""agg_creative_daily: impressions and clicks by how often the user saw the creative on the local day."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, SparkSession
from support.rows import Row, assert_rows, at, rows

from etl.subjects.ads.facts import fct_ad_clicks, fct_ad_impressions
from etl.subjects.ads.rollups.agg_creative_daily import TABLE, transform

ROW: Row = {"user_id": 1, "advertiser_id": 1000, "creative_id": 10, "local_day": date(2026, 6, 1)}


def cells(spark: SparkSession, shown: list[Row], clicked: list[Row] | None = None) -> DataFrame:
    return transform(
        rows(spark, fct_ad_impressions.TABLE, [ROW | row for row in shown]),
        rows(spark, fct_ad_clicks.TABLE, [ROW | {"click_id": str(i)} | c for i, c in enumerate(clicked or [])]),
    )


def test_an_impression_is_in_the_bucket_of_its_number_for_the_user(spark: SparkSession) -> None:
    made = cells(spark, [{"impression_ts": at(f"10:{i:02}")} for i in range(9)] + [{"user_id": 2}])

    assert_rows(made, TABLE, [
        {"frequency_bucket": "1", "impressions": 2},
        {"frequency_bucket": "2-3", "impressions": 2},
        {"frequency_bucket": "4-7", "impressions": 4},
        {"frequency_bucket": "8+", "impressions": 2},
    ])  # fmt: skip


def test_a_click_is_in_the_bucket_of_the_latest_impression_before_it(spark: SparkSession) -> None:
    """Clicks after the first of two impressions, at the time of the second, and before both."""
    shown: list[Row] = [{"impression_ts": at("10:00")}, {"impression_ts": at("11:00")}]
    clicked: list[Row] = [{"click_ts": at("10:59")}, {"click_ts": at("11:00")}, {"click_ts": at("09:00")}]

    assert_rows(cells(spark, shown, clicked), TABLE, [
        {"frequency_bucket": "1", "impressions": 1, "ad_clicks": 2},
        {"frequency_bucket": "2-3", "impressions": 1, "ad_clicks": 1},
    ])  # fmt: skip


def test_frequencies_restart_on_a_new_local_day_and_ignore_invalid_traffic(
    spark: SparkSession,
) -> None:
    made = cells(spark, [{}, {"local_day": date(2026, 6, 2)}, {"is_valid": False}], [{"is_valid": False}])

    assert_rows(made, TABLE, [
        {"frequency_bucket": "1", "impressions": 1, "ad_clicks": 0, "day": date(2026, 6, 1)},
        {"frequency_bucket": "1", "impressions": 1, "ad_clicks": 0, "day": date(2026, 6, 2)},
    ])  # fmt: skip
