"""fct_user_session: a session belongs to the day it started, and an event changes only its own session."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.rows import Row, assert_rows, at, rows

from etl.engine.jobs import derive
from etl.subjects.ads.facts import fct_ad_clicks, stg_page_events
from etl.subjects.ads.facts.fct_user_session import TABLE, transform

SESSION: Row = {"user_id": 1, "session_id": 5}


def sessions(spark: SparkSession, pages: list[Row], clicks: list[Row] | None = None) -> DataFrame:
    events = rows(spark, stg_page_events.TABLE, [SESSION | page for page in pages])
    clicked = [SESSION | {"click_id": str(i)} | click for i, click in enumerate(clicks or [])]
    return transform(events, rows(spark, fct_ad_clicks.TABLE, clicked))


def test_a_session_across_midnight_belongs_to_the_day_it_started(spark: SparkSession) -> None:
    made = sessions(spark, [{"event_ts": at("23:50")}, {"event_ts": at("00:20", 2), "event_name": "end"}])

    assert_rows(made, TABLE, [
        {"session_start": at("23:50"), "session_end": at("00:20", 2), "page_events": 2, "day": date(2026, 6, 1)},
    ])  # fmt: skip


def test_early_events_belong_to_the_day_before_only_when_the_session_was_active_in_its_last_six_hours(
    spark: SparkSession,
) -> None:
    """One session has an event at 18:00, the other a millisecond before. Both have an event at 01:00."""
    evening: list[Row] = [{"event_ts": at("18:00")}, {"event_ts": at("17:59:59.999"), "session_id": 6}]
    night: list[Row] = [{"event_ts": at("01:00", 2), "session_id": session} for session in (5, 6)]

    assert_rows(sessions(spark, [*evening, *night]), TABLE, [
        {"session_id": 5, "page_events": 2, "day": date(2026, 6, 1)},
        {"session_id": 6, "page_events": 1, "day": date(2026, 6, 1)},
        {"session_id": 6, "page_events": 1, "day": date(2026, 6, 2)},
    ])  # fmt: skip


def test_a_session_id_that_is_used_for_days_has_the_same_daily_rows_whichever_days_are_computed_together(
    spark: SparkSession,
) -> None:
    """Four ids have events every 3, 5, 7 or 13 hours. All days at once give the rows of each day computed alone."""
    times = [(i, at("00:30") + timedelta(hours=hours)) for i in (3, 5, 7, 13) for hours in range(0, 96, i)]
    pages = rows(spark, stg_page_events.TABLE, [{"user_id": 1, "session_id": i, "event_ts": t} for i, t in times])
    clicks = rows(spark, fct_ad_clicks.TABLE, [
        {"click_id": f"{i} {t}", "user_id": 1, "session_id": i, "click_ts": t + timedelta(minutes=1)} for i, t in times
    ])  # fmt: skip
    together = transform(pages, clicks).persist()

    for day in (date(2026, 6, 2), date(2026, 6, 3)):
        hours = derive.input_hours(TABLE.inputs[0], TABLE, [datetime.combine(day, time(), UTC)])
        alone = transform(pages.where(F.col("event_hour").isin(hours)), clicks.where(F.col("click_hour").isin(hours)))
        assert_df_equality(together.where(F.col("day") == day), alone.where(F.col("day") == day), ignore_row_order=True)
    assert together.agg(F.sum("page_events"), F.sum("ad_clicks")).collect() == [(len(times), len(times))]
    together.unpersist()


def test_a_late_arriving_event_changes_only_its_own_session(spark: SparkSession) -> None:
    others: Row = {"session_id": 6, "event_ts": at("11:00"), "event_name": "click"}
    late: Row = {"event_ts": at("09:00"), "event_name": "click"}

    before = sessions(spark, [{"event_ts": at("10:00")}, others])
    after = sessions(spark, [{"event_ts": at("10:00")}, others, late])

    assert_rows(after.where("session_id = 5"), TABLE, [{"session_start": at("09:00"), "clicks": 1, "page_events": 2}])
    assert before.where("session_id = 6").collect() == after.where("session_id = 6").collect()


def test_valid_ad_clicks_and_other_clicks_are_counted_separately(spark: SparkSession) -> None:
    clicks: list[Row] = [{"ad_id": 7}, {"ad_id": 7}, {"ad_id": 8}, {"ad_id": 9, "is_valid": False}]

    made = sessions(spark, [{"event_name": "click"}, {"event_name": "view"}], clicks)

    assert_rows(made, TABLE, [{"clicks": 1, "ad_clicks": 3, "distinct_ads": 2, "has_ad_clicked": True}])


def test_a_click_without_page_events_makes_a_session(spark: SparkSession) -> None:
    made = sessions(spark, [], [{"ad_id": 7, "click_ts": at("10:30")}])

    assert_rows(made, TABLE, [SESSION | {"session_start": at("10:30"), "session_end": at("10:30"), "page_events": 0}])


def test_device_and_region_are_the_first_values_of_the_session(spark: SparkSession) -> None:
    made = sessions(spark, [
        {"event_ts": at("10:00"), "device": None, "region": "EU"},
        {"event_ts": at("10:01"), "device": "phone", "region": "US"},
        {"event_ts": at("10:02"), "device": "tv"},
    ])  # fmt: skip

    assert_rows(made, TABLE, [{"device": "phone", "region": "EU"}])
