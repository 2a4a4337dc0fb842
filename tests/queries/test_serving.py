"""What is served: deleted posts are not, old and new ones compare, creators are ranked by shares."""

from __future__ import annotations

import pytest
from asking_rows import ask_rows
from pyspark.sql import SparkSession
from rows import Row, at

RANGE = {"start": "2026-06-01T08", "end": "2026-06-01T12"}
LIVE: Row = {"post_id": 1, "creator_id": 5}
DELETED: Row = {"post_id": 2, "creator_id": 5, "valid_to": at("11:30"), "is_deleted": True}


def hours(*given: Row) -> list[Row]:
    """Post-hours, at eleven unless said otherwise."""
    none = dict.fromkeys(("likes", "saves", "shares", "comments", "follows"), 0)
    return [{"hour": at("11:00"), "impressions": 100, **none, **row} for row in given]


def test_a_deleted_post_is_in_no_serving_answer_and_stays_in_history(spark: SparkSession) -> None:
    tables = {
        "agg_post_engagement_hourly": hours({"post_id": 1, "shares": 1}, {"post_id": 2, "shares": 9}),
        "mart_post_engagement_daily": [{"post_id": p, "impressions": 100} for p in (1, 2)],
        "dim_posts": [LIVE, DELETED],
        "fct_engagements": [{"post_id": p, "event_type": "comment", "comment_id": p} for p in (1, 2)],
    }

    signals = ask_rows(spark, "feed_signals", tables, **RANGE)
    creators = ask_rows(spark, "top_creators", tables, **RANGE)
    threads = [ask_rows(spark, "comment_thread", tables, post_id=p, **RANGE) for p in (1, 2)]
    history = ask_rows(spark, "creator_analytics", tables, creator_id=5, start="2026-06-01", end="2026-06-02")

    assert [r["post_id"] for r in signals] == [1]
    assert [(r["creator_id"], r["shares"]) for r in creators] == [(5, 1)]
    assert [len(thread) for thread in threads] == [1, 0]
    assert [(r["post_id"], r["is_deleted"]) for r in history] == [(1, False), (2, True)]


def test_a_reaction_one_half_life_ago_counts_half(spark: SparkSession) -> None:
    """Eight likes two hours ago and four now are the same signal, at a half-life of two hours; the rate is the same."""
    old: Row = {"post_id": 1, "hour": at("09:00"), "likes": 8}
    tables = {
        "agg_post_engagement_hourly": hours(old, {"post_id": 3, "likes": 4}),
        "dim_posts": [LIVE, {"post_id": 3}],
    }

    found = ask_rows(spark, "feed_signals", tables, half_life_hours=2, **RANGE)

    assert {r["post_id"]: r["signal"] for r in found} == {1: pytest.approx(4), 3: pytest.approx(4)}
    assert {r["post_id"]: r["signal_rate"] for r in found} == {1: pytest.approx(0.08), 3: pytest.approx(0.04)}


def test_creators_are_ranked_by_shares_and_a_rate_needs_views(spark: SparkSession) -> None:
    """Creator 6 was shared by deep link only."""
    tables = {
        "agg_post_engagement_hourly": hours(
            {"post_id": 1, "shares": 2, "likes": 7}, {"post_id": 3, "shares": 3, "impressions": 0}
        ),
        "dim_posts": [LIVE, {"post_id": 3, "creator_id": 6}],
        "dim_creators": [{"creator_id": 5, "handle": "five"}],
    }

    found = ask_rows(spark, "top_creators", tables, **RANGE)

    shown = [(r["creator_id"], r["handle"], r["views"], r["reactions"], r["shares"]) for r in found]
    assert shown == [(6, None, 0, 0, 3), (5, "five", 100, 7, 2)]
    assert [r["share_rate"] and float(r["share_rate"]) for r in found] == [None, 0.02]
