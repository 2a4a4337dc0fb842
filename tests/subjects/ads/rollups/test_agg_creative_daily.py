"""agg_creative_daily: a user's first, second, … impression of a creative on the advertiser's day."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, SparkSession
from support.rows import Row, assert_rows, at, rows

from etl.subjects.ads.facts import fct_ad_clicks, fct_ad_impressions
from etl.subjects.ads.rollups.agg_creative_daily import TABLE, transform

OURS: Row = {"user_id": 1, "advertiser_id": 1000, "creative_id": 10, "local_day": date(2026, 6, 1)}


def cells(spark: SparkSession, shown: list[Row], clicked: list[Row] | None = None) -> DataFrame:
    return transform(
        rows(spark, fct_ad_impressions.TABLE, [OURS | row for row in shown]),
        rows(spark, fct_ad_clicks.TABLE, [OURS | {"click_id": str(i)} | c for i, c in enumerate(clicked or [])]),
    )


def test_impressions_fall_into_buckets_by_how_often_the_user_had_seen_it(spark: SparkSession) -> None:
    made = cells(spark, [{"impression_ts": at(f"10:{i:02}")} for i in range(9)] + [{"user_id": 2}])

    assert_rows(made, TABLE, [
        {"frequency_bucket": "1", "impressions": 2},
        {"frequency_bucket": "2-3", "impressions": 2},
        {"frequency_bucket": "4-7", "impressions": 4},
        {"frequency_bucket": "8+", "impressions": 2},
    ])  # fmt: skip


def test_a_click_counts_where_its_user_stood_then(spark: SparkSession) -> None:
    """After the first of two impressions, at the instant of the second, and before any."""
    shown: list[Row] = [{"impression_ts": at("10:00")}, {"impression_ts": at("11:00")}]
    clicked: list[Row] = [{"click_ts": at("10:59")}, {"click_ts": at("11:00")}, {"click_ts": at("09:00")}]

    assert_rows(cells(spark, shown, clicked), TABLE, [
        {"frequency_bucket": "1", "impressions": 1, "ad_clicks": 2},
        {"frequency_bucket": "2-3", "impressions": 1, "ad_clicks": 1},
    ])  # fmt: skip


def test_a_new_day_of_the_advertiser_begins_to_count_anew_and_invalid_traffic_never_counts(
    spark: SparkSession,
) -> None:
    made = cells(spark, [{}, {"local_day": date(2026, 6, 2)}, {"is_valid": False}], [{"is_valid": False}])

    assert_rows(made, TABLE, [
        {"frequency_bucket": "1", "impressions": 1, "ad_clicks": 0, "day": date(2026, 6, 1)},
        {"frequency_bucket": "1", "impressions": 1, "ad_clicks": 0, "day": date(2026, 6, 2)},
    ])  # fmt: skip
