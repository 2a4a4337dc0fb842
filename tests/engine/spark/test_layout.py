"""How rows are distributed over tasks and sorted in files."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.rows import at, rows

from etl.engine.spark.layout import MAX_OPEN_HOURS, lay_out
from etl.subjects.ads.facts.fct_ad_clicks import TABLE


@pytest.fixture
def clicks(spark: SparkSession) -> DataFrame:
    """Clicks of 200 users, unsorted, all in one task."""
    moment = at("10:00")
    users = [{"user_id": i * 37 % 200, "click_ts": moment + timedelta(seconds=i)} for i in range(200)]
    return rows(spark, TABLE, users).coalesce(1)


def users_by_task(clicks: DataFrame, hours: int, preclustered: bool) -> list[list[int]]:
    """The users of each task, in the order in which the task writes them."""
    by_task = lay_out(clicks, TABLE, hours, preclustered).groupBy(F.spark_partition_id())
    return [list(users) for _, users in by_task.agg(F.collect_list("user_id")).collect()]


def test_rows_are_partitioned_into_even_ranges_and_sorted(clicks: DataFrame) -> None:
    tasks = users_by_task(clicks, 1, preclustered=False)

    assert len(tasks) > 1
    assert max(map(len, tasks)) <= 1.5 * 200 / len(tasks)
    assert [user for task in sorted(tasks) for user in task] == list(range(200))


def test_preclustered_rows_stay_in_their_task(clicks: DataFrame) -> None:
    assert users_by_task(clicks, MAX_OPEN_HOURS, preclustered=True) == [list(range(200))]


def test_preclustered_rows_of_too_many_hours_are_partitioned_again(clicks: DataFrame) -> None:
    assert len(users_by_task(clicks, MAX_OPEN_HOURS + 1, preclustered=True)) > 1
