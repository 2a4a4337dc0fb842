"""agg_ad_clicks: clicks are merged from windows; users and sessions are counted from clicks."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import assert_rows, at, rows

from etl.subjects.ads.facts import fct_ad_clicks
from etl.subjects.ads.rollups import agg_ad_clicks_5min
from etl.subjects.ads.rollups.agg_ad_clicks import TABLE, transform


def test_a_user_in_two_windows_is_one_user_of_the_day(spark: SparkSession) -> None:
    clicks = rows(spark, fct_ad_clicks.TABLE, [
        {"click_id": "a", "ad_id": 1, "user_id": 5, "session_id": 1, "click_ts": at("10:00")},
        {"click_id": "b", "ad_id": 1, "user_id": 5, "session_id": 2, "click_ts": at("23:59:59.999")},
        {"click_id": "c", "ad_id": 1, "user_id": 6, "session_id": 2, "click_ts": at("11:00")},
        {"click_id": "d", "ad_id": 1, "user_id": 7, "is_valid": False},
        {"click_id": "e", "ad_id": 1, "user_id": 5, "session_id": 2, "click_ts": at("00:00", 2)},
    ])  # fmt: skip

    made = transform(agg_ad_clicks_5min.transform(clicks), clicks)

    assert_rows(made, TABLE, [
        {"ad_clicks": 3, "users": 2, "sessions": 3, "day": date(2026, 6, 1)},
        {"ad_clicks": 1, "users": 1, "sessions": 1, "day": date(2026, 6, 2)},
    ])  # fmt: skip
    sketched = made.select("users", F.hll_sketch_estimate("users_hll").alias("estimate")).collect()
    assert all(r.users == r.estimate for r in sketched)
