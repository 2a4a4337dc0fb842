"""The queries that serve posts and creators: deleted posts, decay by age, ranking by shares, scheduled changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from pyspark.sql import SparkSession
from support.query_rows import run_query
from support.rows import Row, at, rows

from etl.subjects.feed.dims import dim_posts

RANGE = {"start": "2026-06-01T08", "end": "2026-06-01T12"}
LIVE: Row = {"post_id": 1, "creator_id": 5}
DELETED: Row = {"post_id": 2, "creator_id": 5, "valid_to": at("11:30"), "is_deleted": True}


def hours(*given: Row) -> list[Row]:
    """Hourly rows of posts, by default at eleven o'clock."""
    none = dict.fromkeys(("likes", "saves", "shares", "comments", "follows"), 0)
    return [{"hour": at("11:00"), "impressions": 100, **none, **row} for row in given]


def test_a_deleted_post_is_not_served_but_stays_in_creator_analytics(spark: SparkSession) -> None:
    tables = {
        "agg_post_engagement_hourly": hours({"post_id": 1, "shares": 1}, {"post_id": 2, "shares": 9}),
        "mart_post_engagement_daily": [{"post_id": p, "impressions": 100} for p in (1, 2)],
        "dim_posts": [LIVE, DELETED],
        "fct_engagements": [{"post_id": p, "event_type": "comment", "comment_id": p} for p in (1, 2)],
    }

    signals = run_query(spark, "feed_signals", tables, **RANGE)
    creators = run_query(spark, "top_creators", tables, **RANGE)
    threads = [run_query(spark, "comment_thread", tables, post_id=p, **RANGE) for p in (1, 2)]
    history = run_query(spark, "creator_analytics", tables, creator_id=5, start="2026-06-01", end="2026-06-02")

    assert [r["post_id"] for r in signals] == [1]
    assert [(r["creator_id"], r["shares"]) for r in creators] == [(5, 1)]
    assert [len(thread) for thread in threads] == [1, 0]
    assert [(r["post_id"], r["is_deleted"]) for r in history] == [(1, False), (2, True)]


def test_a_reaction_one_half_life_ago_counts_half(spark: SparkSession) -> None:
    """With a half-life of two hours, eight likes two hours ago and four likes now give equal signals."""
    old: Row = {"post_id": 1, "hour": at("09:00"), "likes": 8}
    tables = {
        "agg_post_engagement_hourly": hours(old, {"post_id": 3, "likes": 4}),
        "dim_posts": [LIVE, {"post_id": 3}],
    }

    found = run_query(spark, "feed_signals", tables, half_life_hours=2, **RANGE)

    assert {r["post_id"]: r["signal"] for r in found} == {1: pytest.approx(4), 3: pytest.approx(4)}
    assert {r["post_id"]: r["signal_rate"] for r in found} == {1: pytest.approx(0.08), 3: pytest.approx(0.04)}


def test_creators_are_ranked_by_shares_and_have_no_rate_without_views(spark: SparkSession) -> None:
    """Creator 6 has only shares through deep links."""
    tables = {
        "agg_post_engagement_hourly": hours(
            {"post_id": 1, "shares": 2, "likes": 7}, {"post_id": 3, "shares": 3, "impressions": 0}
        ),
        "dim_posts": [LIVE, {"post_id": 3, "creator_id": 6}],
        "dim_creators": [{"creator_id": 5, "handle": "five"}],
    }

    found = run_query(spark, "top_creators", tables, **RANGE)

    shown = [(r["creator_id"], r["handle"], r["views"], r["reactions"], r["shares"]) for r in found]
    assert shown == [(6, None, 0, 0, 3), (5, "five", 100, 7, 2)]
    assert [r["share_rate"] and float(r["share_rate"]) for r in found] == [None, 0.02]


HOUR, DAYS = {"start": "2026-06-01T08", "end": "2026-06-01T12"}, {"start": "2026-06-01", "end": "2026-06-02"}
DELETION, TRANSFER, RENAMING = (datetime(2026, m, 1, tzinfo=UTC) for m in (7, 12, 11))
SCHEDULED: dict[str, list[Row]] = {
    "agg_post_engagement_hourly": hours(*({"post_id": p, "shares": 3} for p in (1, 2, 3))),
    "mart_post_engagement_daily": [{"post_id": p, "impressions": 100, "day": date(2026, 6, 1)} for p in (1, 2, 3)],
    "fct_engagements": [{"post_id": 2, "event_type": "comment", "comment_id": 2}],
    "dim_posts": [
        LIVE,
        {"post_id": 2, "creator_id": 5, "valid_to": DELETION, "is_deleted": True},
        {"post_id": 3, "creator_id": 5, "valid_to": TRANSFER},
        {"post_id": 3, "creator_id": 9, "valid_from": TRANSFER},
    ],
    "dim_creators": [
        {"creator_id": 5, "handle": "ana", "valid_to": RENAMING},
        {"creator_id": 5, "handle": "ana_renamed", "valid_from": RENAMING},
    ],
}
"""Scheduled changes: a delete of post 2, another creator for post 3, and another handle for creator 5."""


def test_a_scheduled_change_has_no_effect_before_its_time(spark: SparkSession) -> None:
    """With `is_current` as the filter, post 2 would be missing and post 3 would have creator 9."""
    creators = run_query(spark, "top_creators", SCHEDULED, **HOUR)
    signals = run_query(spark, "feed_signals", SCHEDULED, **HOUR)
    analytics = run_query(spark, "creator_analytics", SCHEDULED, creator_id=5, **DAYS)

    assert [(r["creator_id"], r["handle"], r["shares"]) for r in creators] == [(5, "ana", 9)]
    assert [(r["post_id"], r["creator_id"]) for r in signals] == [(1, 5), (2, 5), (3, 5)]
    assert [(r["post_id"], r["is_deleted"]) for r in analytics] == [(1, False), (2, False), (3, False)]
    assert run_query(spark, "creator_analytics", SCHEDULED, creator_id=9, **DAYS) == []
    assert len(run_query(spark, "comment_thread", SCHEDULED, post_id=2, **HOUR)) == 1
    naive = rows(spark, dim_posts.TABLE, SCHEDULED["dim_posts"]).where("is_current").orderBy("post_id").collect()
    assert [(r["post_id"], r["creator_id"]) for r in naive] == [(1, 5), (3, 9)]


@pytest.mark.parametrize(("end", "served", "handle"), [
    (DELETION - timedelta(hours=1), {1: 5, 2: 5, 3: 5}, "ana"),
    (DELETION, {1: 5, 3: 5}, "ana"),
    (TRANSFER - timedelta(hours=1), {1: 5, 3: 5}, "ana_renamed"),
    (TRANSFER, {1: 5, 3: 9}, "ana_renamed"),
])  # fmt: skip
def test_a_scheduled_change_takes_effect_at_its_time(
    spark: SparkSession, end: datetime, served: dict[int, int], handle: str
) -> None:
    """valid_from is inclusive and valid_to is exclusive, so an `end` at this time uses the next version."""
    interval = {"start": "2026-06-01T08", "end": end}
    signals = run_query(spark, "feed_signals", SCHEDULED, **interval)
    creators = run_query(spark, "top_creators", SCHEDULED, **interval)

    assert {r["post_id"]: r["creator_id"] for r in signals} == served
    assert {r["creator_id"]: r["handle"] for r in creators}[5] == handle


def test_a_post_that_is_not_published_yet_is_not_served(spark: SparkSession) -> None:
    """Its first version starts after the `end` of the query."""
    tables = {**SCHEDULED, "dim_posts": [{"post_id": 1, "creator_id": 5, "valid_from": DELETION}]}

    assert run_query(spark, "feed_signals", tables, **HOUR) == []


def test_a_restored_post_is_served_again(spark: SparkSession) -> None:
    versions: list[Row] = [
        {"post_id": 1, "creator_id": 5, "valid_to": at("09:00"), "is_deleted": True},
        {"post_id": 1, "creator_id": 5, "valid_from": at("10:00")},
    ]
    tables = {**SCHEDULED, "dim_posts": versions}

    assert [r["post_id"] for r in run_query(spark, "feed_signals", tables, **HOUR)] == [1]
    between = {"start": "2026-06-01T08", "end": "2026-06-01T10"}
    early = {**tables, "agg_post_engagement_hourly": hours({"post_id": 1, "shares": 3, "hour": at("08:00")})}
    assert [r["post_id"] for r in run_query(spark, "feed_signals", early, **between)] == [1]
    gone = {**between, "end": "2026-06-01T09"}
    assert run_query(spark, "feed_signals", early, **gone) == []
