"""brand_safety_velocity: a rise of the negative rate raises an alarm, a high level does not."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from support.query_rows import run_query
from support.rows import Row, at

RANGE = {"start": "2026-06-01T08", "end": "2026-06-01T14"}


Hours = list[tuple[str, int, int]]

NO_ALARM: dict[str, Hours] = {
    "the rate stays at 0.3 %": [("10:00", 10_000, 30), ("11:00", 10_000, 30)],
    "the rate stays at 0.8 %": [("10:00", 10_000, 80), ("11:00", 10_000, 80)],
    "the hour before is missing": [("10:00", 10_000, 10), ("12:00", 10_000, 90)],
    "the post has only one hour": [("11:00", 10_000, 90)],
    "the hour before has no impressions": [("10:00", 0, 5), ("11:00", 10_000, 90)],
    "the hour has exactly 1,000 impressions": [("10:00", 10_000, 10), ("11:00", 1_000, 9)],
    "the rate is exactly 0.5 %": [("10:00", 10_000, 0), ("11:00", 10_000, 50)],
    "the rise is exactly 0.3 points": [("10:00", 10_000, 30), ("11:00", 10_000, 60)],
    "the rise is before the interval": [("06:00", 10_000, 10), ("07:00", 10_000, 90)],
    "the rise is at the end of the interval": [("13:00", 10_000, 10), ("14:00", 10_000, 90)],
}
ALARM: dict[str, Hours] = {
    "the rate rises from 0.1 to 0.9 %": [("10:00", 10_000, 10), ("11:00", 10_000, 90)],
    "the hour has 1,001 impressions": [("10:00", 10_000, 10), ("11:00", 1_001, 10)],
    "the rise is 0.31 points": [("10:00", 10_000, 30), ("11:00", 10_000, 61)],
    "the hour before is before the interval": [("07:00", 10_000, 10), ("08:00", 10_000, 90)],
    "the hour before has few impressions": [("10:00", 900, 0), ("11:00", 10_000, 90)],
}
POSTS = {case: post for post, case in enumerate({**NO_ALARM, **ALARM}, 1)}


def queue(spark: SparkSession, hours_of: dict[int, Hours], posts: list[Row] | None = None) -> list[Row]:
    """The answer of the query for posts with (hour, impressions, negatives)."""
    post_hours = [
        {"post_id": post, "hour": at(h), "impressions": i, "negatives": n}
        for post, hours in hours_of.items()
        for h, i, n in hours
    ]
    tables = {"agg_post_engagement_hourly": post_hours, "dim_posts": posts or []}
    return run_query(spark, "brand_safety_velocity", tables, **RANGE)


@pytest.fixture(scope="module")
def posts_with_alarm(spark: SparkSession) -> list[int]:
    """The posts with an alarm, with one post per case."""
    return [r["post_id"] for r in queue(spark, {POSTS[c]: hours for c, hours in {**NO_ALARM, **ALARM}.items()})]


@pytest.mark.parametrize("case", NO_ALARM)
def test_there_is_no_alarm_when(posts_with_alarm: list[int], case: str) -> None:
    assert POSTS[case] not in posts_with_alarm


@pytest.mark.parametrize("case", ALARM)
def test_there_is_one_alarm_when(posts_with_alarm: list[int], case: str) -> None:
    assert posts_with_alarm.count(POSTS[case]) == 1


def test_the_largest_rise_comes_first(spark: SparkSession) -> None:
    hours = [("10:00", 10_000, 10), ("11:00", 10_000, 90), ("12:00", 10_000, 300)]

    found = queue(spark, {1: hours})

    assert [(r["hour"].hour, float(r["negative_rate"]), float(r["rise"])) for r in found] == [
        (12, 0.03, 0.021),
        (11, 0.009, 0.008),
    ]


def test_a_deleted_post_needs_no_review_but_a_restored_post_does(spark: SparkSession) -> None:
    rising = [("10:00", 10_000, 10), ("11:00", 10_000, 90)]
    deleted: Row = {"post_id": 1, "valid_to": at("12:00"), "is_deleted": True}

    assert queue(spark, {1: rising}, [deleted]) == []
    assert len(queue(spark, {1: rising}, [deleted, {"post_id": 1, "valid_from": at("13:00")}])) == 1


def test_a_post_with_a_scheduled_delete_still_needs_review(spark: SparkSession) -> None:
    rising = [("10:00", 10_000, 10), ("11:00", 10_000, 90)]
    later: Row = {"post_id": 1, "valid_to": at("15:00"), "is_deleted": True}

    assert len(queue(spark, {1: rising}, [later])) == 1
