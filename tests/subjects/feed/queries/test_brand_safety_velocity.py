"""brand_safety_velocity: a slope alarms, a level does not."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from support.query_rows import run_query
from support.rows import Row, at

RANGE = {"start": "2026-06-01T08", "end": "2026-06-01T14"}


Hours = list[tuple[str, int, int]]

SILENT: dict[str, Hours] = {
    "flat 0.3 % is background noise": [("10:00", 10_000, 30), ("11:00", 10_000, 30)],
    "flat 0.8 % is a level, not a slope": [("10:00", 10_000, 80), ("11:00", 10_000, 80)],
    "a gap in hours is not a jump": [("10:00", 10_000, 10), ("12:00", 10_000, 90)],
    "a first hour has nothing to rise from": [("11:00", 10_000, 90)],
    "an hour without impressions has no rate": [("10:00", 0, 5), ("11:00", 10_000, 90)],
    "1,000 impressions are not more than 1,000": [("10:00", 10_000, 10), ("11:00", 1_000, 9)],
    "exactly 0.5 % is not over the floor": [("10:00", 10_000, 0), ("11:00", 10_000, 50)],
    "exactly 0.3 points is not over the rise": [("10:00", 10_000, 30), ("11:00", 10_000, 60)],
    "a rise before the range is not asked for": [("06:00", 10_000, 10), ("07:00", 10_000, 90)],
    "the end is not in the range": [("13:00", 10_000, 10), ("14:00", 10_000, 90)],
}
ALARMING: dict[str, Hours] = {
    "0.1 to 0.9 % is a post turning toxic": [("10:00", 10_000, 10), ("11:00", 10_000, 90)],
    "1,001 impressions are more than 1,000": [("10:00", 10_000, 10), ("11:00", 1_001, 10)],
    "0.31 points are over the rise": [("10:00", 10_000, 30), ("11:00", 10_000, 61)],
    "the hour before the range is compared with": [("07:00", 10_000, 10), ("08:00", 10_000, 90)],
    "the hour before may be small": [("10:00", 900, 0), ("11:00", 10_000, 90)],
}
POSTS = {case: post for post, case in enumerate({**SILENT, **ALARMING}, 1)}


def queue(spark: SparkSession, hours_of: dict[int, Hours], posts: list[Row] | None = None) -> list[Row]:
    """The queue for posts with their (hour, impressions, negatives)."""
    post_hours = [
        {"post_id": post, "hour": at(h), "impressions": i, "negatives": n}
        for post, hours in hours_of.items()
        for h, i, n in hours
    ]
    tables = {"agg_post_engagement_hourly": post_hours, "dim_posts": posts or []}
    return run_query(spark, "brand_safety_velocity", tables, **RANGE)


@pytest.fixture(scope="module")
def alarmed(spark: SparkSession) -> list[int]:
    """The posts in the queue, when every case is a post."""
    return [r["post_id"] for r in queue(spark, {POSTS[c]: hours for c, hours in {**SILENT, **ALARMING}.items()})]


@pytest.mark.parametrize("case", SILENT)
def test_it_is_silent_where(alarmed: list[int], case: str) -> None:
    assert POSTS[case] not in alarmed


@pytest.mark.parametrize("case", ALARMING)
def test_it_alarms_where(alarmed: list[int], case: str) -> None:
    assert alarmed.count(POSTS[case]) == 1


def test_the_steepest_rise_is_reviewed_first(spark: SparkSession) -> None:
    hours = [("10:00", 10_000, 10), ("11:00", 10_000, 90), ("12:00", 10_000, 300)]

    found = queue(spark, {1: hours})

    assert [(r["hour"].hour, float(r["negative_rate"]), float(r["rise"])) for r in found] == [
        (12, 0.03, 0.021),
        (11, 0.009, 0.008),
    ]


def test_a_deleted_post_needs_no_review_and_one_that_came_back_does(spark: SparkSession) -> None:
    rising = [("10:00", 10_000, 10), ("11:00", 10_000, 90)]
    deleted: Row = {"post_id": 1, "valid_to": at("12:00"), "is_deleted": True}

    assert queue(spark, {1: rising}, [deleted]) == []
    assert len(queue(spark, {1: rising}, [deleted, {"post_id": 1, "valid_from": at("13:00")}])) == 1


def test_a_post_whose_deletion_is_scheduled_still_needs_review(spark: SparkSession) -> None:
    rising = [("10:00", 10_000, 10), ("11:00", 10_000, 90)]
    later: Row = {"post_id": 1, "valid_to": at("15:00"), "is_deleted": True}

    assert len(queue(spark, {1: rising}, [later])) == 1
