"""stg_ad_clicks: the grain is the key, so that whatever repeats is one row."""

from __future__ import annotations

from pyspark.sql import SparkSession
from rows import assert_rows, at, rows

from etl.bronze import bronze_ad_clicks
from etl.facts.stg_ad_clicks import TABLE, transform


def test_a_click_lies_in_the_hour_it_was_clicked_not_landed(spark: SparkSession) -> None:
    late = {"ad_id": 1, "click_ts": at("09:59:59.999999"), "landed_hour": at("14:00")}

    made = transform(rows(spark, bronze_ad_clicks.TABLE, [late]))

    assert_rows(made, TABLE, [{"ad_id": 1, "click_ts": at("09:59:59.999999"), "click_hour": at("09:00")}])


def test_the_grain_is_ad_user_session_and_instant(spark: SparkSession) -> None:
    """The impression is not part of it: a click repeated without one is still the same click."""
    assert TABLE.key == ("ad_id", "user_id", "session_id", "click_ts")
