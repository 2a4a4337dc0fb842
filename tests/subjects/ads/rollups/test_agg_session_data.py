"""agg_session_data: CTR by users and by clicks, and conversions per session with an ad click."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession
from support.rows import Row, assert_rows, at, rows

from etl.subjects.ads.facts import fct_attributed_conversion, fct_user_session
from etl.subjects.ads.rollups.agg_session_data import TABLE, transform


def cells(spark: SparkSession, sessions: list[Row], conversions: list[Row] | None = None) -> DataFrame:
    return transform(
        rows(spark, fct_user_session.TABLE, sessions),
        rows(spark, fct_attributed_conversion.TABLE, conversions or []),
    )


def test_ctr_is_by_users_and_by_clicks_and_cvr_by_sessions_with_an_ad_click(spark: SparkSession) -> None:
    """There are two users and three sessions. Two sessions have ad clicks, and one of these has two conversions."""
    sessions: list[Row] = [
        {"user_id": 1, "session_id": 1, "clicks": 5, "ad_clicks": 1, "has_ad_clicked": True},
        {"user_id": 1, "session_id": 2, "clicks": 2, "ad_clicks": 1, "has_ad_clicked": True},
        {"user_id": 2, "session_id": 3, "clicks": 1, "ad_clicks": 0},
    ]
    bought: Row = {"user_id": 1, "session_id": 2, "attribution": "click", "touch_ts": at("10:00")}

    made = cells(spark, sessions, [bought, bought, bought | {"session_id": 1, "attribution": "view"}])

    assert_rows(made, TABLE, [{
        "sessions": 3, "users": 2, "users_ad_clicked": 1, "sessions_ad_clicked": 2, "sessions_converted": 1,
        "ctr_users": Decimal("0.50000"), "ctr_clicks": Decimal("0.20000"), "cvr": Decimal("0.50000"),
    }])  # fmt: skip


def test_a_conversion_counts_for_the_session_that_contains_its_click(spark: SparkSession) -> None:
    """A session id is used on two days. The click of the second day earns the credit, so only this day counts it."""
    session: Row = {"user_id": 1, "session_id": 1, "has_ad_clicked": True}
    days: list[Row] = [
        session | {"session_start": at("10:00", day), "session_end": at("11:00", day), "day": at("00:00", day).date()}
        for day in (1, 2)
    ]
    bought: Row = {"user_id": 1, "session_id": 1, "attribution": "click", "touch_ts": at("11:00", 2)}

    assert_rows(cells(spark, days, [bought]), TABLE, [
        {"sessions_converted": 0, "day": at("00:00", 1).date()},
        {"sessions_converted": 1, "day": at("00:00", 2).date()},
    ])  # fmt: skip


def test_a_rate_without_a_denominator_is_null(spark: SparkSession) -> None:
    made = cells(spark, [{"user_id": 1, "clicks": 0, "ad_clicks": 0}])

    assert_rows(made, TABLE, [{"ctr_users": Decimal(0), "ctr_clicks": None, "cvr": None}])


def test_session_time_is_summed_and_a_missing_region_is_unknown(spark: SparkSession) -> None:
    half = {"session_start": at("10:00"), "session_end": at("10:00:00.500")}
    sessions: list[Row] = [half | {"region": "EU"}, half | {"region": "EU"}, half | {"region": None}]

    assert_rows(cells(spark, sessions), TABLE, [
        {"region": "EU", "device": "unknown", "session_ms_sum": 1000},
        {"region": "unknown", "device": "unknown", "session_ms_sum": 500},
    ])  # fmt: skip
