"""fct_engagements: an undo is a row of its own, in the hour of the action it undoes."""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import assert_rows, at, minted, rows

from etl.subjects.feed.events import ENGAGEMENTS
from etl.subjects.feed.facts import fct_engagements
from etl.subjects.shared.bronze_tables import bronze_table

TABLE = fct_engagements.TABLE


def test_an_undo_is_in_the_hour_of_the_action_it_undoes(spark: SparkSession) -> None:
    """A like at 23:50 is undone at 0:20 of the next day. Both rows have the hour 23."""
    bronze = rows(spark, bronze_table(ENGAGEMENTS), [
        {"engagement_id": 1, "action": "do", "event_ts": at("23:50")},
        {"engagement_id": 2, "action": "undo", "event_ts": at("00:20", day=2), "original_ts": at("23:50")},
    ])  # fmt: skip

    made = fct_engagements.transform(bronze)

    naive = bronze.select(F.date_trunc("hour", "event_ts").alias("hour")).distinct().count()
    assert naive == 2
    like = {"event_ts": at("23:50"), "event_hour": at("23:00")}
    assert_rows(made, TABLE, [
        {"engagement_id": 1, "is_undone": False, "undone_ts": None, **like},
        {"engagement_id": 2, "is_undone": True, "undone_ts": at("00:20", day=2), **like},
    ])  # fmt: skip


def test_the_original_ts_of_a_do_is_ignored(spark: SparkSession) -> None:
    done = {"action": "do", "event_ts": at("10:00"), "original_ts": at("08:00")}

    made = fct_engagements.transform(rows(spark, bronze_table(ENGAGEMENTS), [done]))

    assert_rows(made, TABLE, [{"event_ts": at("10:00"), "is_undone": False, "undone_ts": None}])


def test_a_reaction_through_a_deep_link_is_kept_without_an_impression(spark: SparkSession) -> None:
    linked = {"engagement_id": 1, "impression_id": None, "impression_hour": None}

    made = fct_engagements.transform(rows(spark, bronze_table(ENGAGEMENTS), [linked]))

    assert_rows(made, TABLE, [linked])


def test_a_reply_keeps_its_parent_comment(spark: SparkSession) -> None:
    reply = {"event_type": "comment", "comment_id": 12, "parent_comment_id": 11}

    made = fct_engagements.transform(rows(spark, bronze_table(ENGAGEMENTS), [reply]))

    assert_rows(made, TABLE, [reply])


def test_an_undo_affects_the_hours_of_every_action_it_may_settle(spark: SparkSession) -> None:
    """The first of two likes in an hour is undone, so the second one, of another impression, is settled now."""
    first, second = minted(at("07:30")), minted(at("09:30"))
    acts = [
        {"engagement_id": 1, "impression_id": first, "event_ts": at("10:01")},
        {"engagement_id": 2, "impression_id": second, "event_ts": at("10:40")},
        {"engagement_id": 3, "impression_id": first, "event_ts": at("10:01"), "undone_ts": at("12:00")},
        {"engagement_id": 4, "event_ts": at("11:00")},
        {"engagement_id": 5, "event_ts": at("10:40"), "post_id": 2},
        {"engagement_id": 6, "event_ts": at("10:40"), "viewer_id": 2},
        {"engagement_id": 7, "event_ts": at("10:40"), "event_type": "save"},
    ]
    facts = rows(spark, TABLE, acts)
    undo = facts.where("is_undone")

    affected = fct_engagements.affected_hours(undo, facts)

    naive = undo.select("impression_hour").distinct().count()
    assert naive == 1
    assert_rows(affected, TABLE, [
        {"engagement_id": 1, "impression_hour": at("07:00")},
        {"engagement_id": 2, "impression_hour": at("09:00")},
        {"engagement_id": 3, "impression_hour": at("07:00")},
    ])  # fmt: skip
