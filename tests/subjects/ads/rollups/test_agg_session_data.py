"""agg_session_data: click-through by users and by clicks, conversions per clicked session."""

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


def test_rates_are_of_users_of_clicks_and_of_clicked_sessions(spark: SparkSession) -> None:
    """Two users, three sessions, two with ad clicks, one of those with a conversion (told of twice)."""
    sessions: list[Row] = [
        {"user_id": 1, "session_id": 1, "clicks": 5, "ad_clicks": 1, "has_ad_clicked": True},
        {"user_id": 1, "session_id": 2, "clicks": 2, "ad_clicks": 1, "has_ad_clicked": True},
        {"user_id": 2, "session_id": 3, "clicks": 1, "ad_clicks": 0},
    ]
    paid: Row = {"user_id": 1, "session_id": 2, "attribution": "click", "touch_ts": at("10:00")}

    made = cells(spark, sessions, [paid, paid, paid | {"session_id": 1, "attribution": "view"}])

    assert_rows(made, TABLE, [{
        "sessions": 3, "users": 2, "users_ad_clicked": 1, "sessions_ad_clicked": 2, "sessions_converted": 1,
        "ctr_users": Decimal("0.50000"), "ctr_clicks": Decimal("0.20000"), "cvr": Decimal("0.50000"),
    }])  # fmt: skip


def test_a_conversion_is_of_the_session_its_click_lies_in(spark: SparkSession) -> None:
    """An id used on two days: the second day's click earned the credit, the first day has none of it."""
    of: Row = {"user_id": 1, "session_id": 1, "has_ad_clicked": True}
    days: list[Row] = [
        of | {"session_start": at("10:00", day), "session_end": at("11:00", day), "day": at("00:00", day).date()}
        for day in (1, 2)
    ]
    paid: Row = {"user_id": 1, "session_id": 1, "attribution": "click", "touch_ts": at("11:00", 2)}

    assert_rows(cells(spark, days, [paid]), TABLE, [
        {"sessions_converted": 0, "day": at("00:00", 1).date()},
        {"sessions_converted": 1, "day": at("00:00", 2).date()},
    ])  # fmt: skip


def test_nothing_to_divide_by_is_no_rate(spark: SparkSession) -> None:
    made = cells(spark, [{"user_id": 1, "clicks": 0, "ad_clicks": 0}])

    assert_rows(made, TABLE, [{"ctr_users": Decimal(0), "ctr_clicks": None, "cvr": None}])


def test_session_time_is_summed_and_what_was_not_told_is_a_cell_of_its_own(spark: SparkSession) -> None:
    half = {"session_start": at("10:00"), "session_end": at("10:00:00.500")}
    sessions: list[Row] = [half | {"region": "EU"}, half | {"region": "EU"}, half | {"region": None}]

    assert_rows(cells(spark, sessions), TABLE, [
        {"region": "EU", "device": "unknown", "session_ms_sum": 1000},
        {"region": "unknown", "device": "unknown", "session_ms_sum": 500},
    ])  # fmt: skip
