"""agg_ad_clicks_5min: half-open windows of five minutes, aligned to the clock."""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import assert_rows, at, rows

from etl.subjects.ads.facts import fct_ad_clicks
from etl.subjects.ads.rollups.agg_ad_clicks_5min import TABLE, transform


def test_a_window_includes_its_start_and_excludes_its_end(spark: SparkSession) -> None:
    times = [at("10:04:59.999999"), at("10:05"), at("10:09:59.999999"), at("10:10")]
    clicks = [{"click_id": str(t), "ad_id": 1, "click_ts": t} for t in times]

    made = transform(rows(spark, fct_ad_clicks.TABLE, clicks))

    assert_rows(made, TABLE, [
        {"window_start": at("10:00"), "ad_clicks": 1},
        {"window_start": at("10:05"), "ad_clicks": 2},
        {"window_start": at("10:10"), "ad_clicks": 1},
    ])  # fmt: skip


def test_users_are_counted_once_and_invalid_clicks_are_not_counted(spark: SparkSession) -> None:
    clicks = [
        {"click_id": str(i), "ad_id": 1, "user_id": user, "is_valid": user != 9} for i, user in enumerate((5, 5, 6, 9))
    ]

    made = transform(rows(spark, fct_ad_clicks.TABLE, clicks))

    assert_rows(made, TABLE, [{"ad_id": 1, "ad_clicks": 3}])
    assert made.select(F.hll_sketch_estimate("users_hll")).collect()[0][0] == 2
