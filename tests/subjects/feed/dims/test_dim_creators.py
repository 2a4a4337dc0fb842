"""dim_creators: the versions of a creator, with a surrogate key that is the same after every replay."""

from __future__ import annotations

from pyspark.sql import SparkSession
from support.rows import Row, assert_rows, at, rows

from etl.subjects.feed.dims.dim_creators import TABLE, transform
from etl.subjects.feed.events import CREATORS
from etl.subjects.shared.bronze_tables import bronze_table

RENAMED: list[Row] = [
    {"creator_id": 5, "handle": "ana", "follower_count": 10, "effective_ts": at("08:00")},
    {"creator_id": 5, "handle": "ana_b", "follower_count": 10, "effective_ts": at("09:00")},
]


def test_a_change_of_any_tracked_column_is_a_new_version(spark: SparkSession) -> None:
    last = {
        "creator_id": 5,
        "handle": "ana_b",
        "follower_count": 11,
        "country": "PT",
        "effective_ts": at("10:00"),
    }

    made = transform(rows(spark, bronze_table(CREATORS), [*RENAMED, last]))

    assert_rows(made, TABLE, [
        {"creator_id": 5, "handle": "ana", "follower_count": 10, "country": None, "valid_to": at("09:00")},
        {"creator_id": 5, "handle": "ana_b", "follower_count": 10, "country": None, "valid_to": at("10:00")},
        {"creator_id": 5, "handle": "ana_b", "follower_count": 11, "country": "PT", "valid_to": None},
    ])  # fmt: skip


def test_the_surrogate_key_depends_only_on_natural_key_and_start(spark: SparkSession) -> None:
    """Another payload or landed hour does not change the surrogate key."""
    corrected = [{**row, "country": "PT", "landed_hour": at("20:00")} for row in reversed(RENAMED)]

    first = transform(rows(spark, bronze_table(CREATORS), RENAMED)).select("creator_sk").collect()
    second = transform(rows(spark, bronze_table(CREATORS), corrected)).select("creator_sk").collect()

    assert len(set(first)) == 2
    assert set(first) == set(second)


def test_creators_do_not_influence_each_other(spark: SparkSession) -> None:
    other = {"creator_id": 6, "handle": "ana", "follower_count": 10, "effective_ts": at("08:30")}

    made = transform(rows(spark, bronze_table(CREATORS), [*RENAMED, other]))

    assert_rows(
        made.where("creator_id = 6"),
        TABLE,
        [{"creator_id": 6, "valid_from": at("08:30"), "is_current": True}],
    )
