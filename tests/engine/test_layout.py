"""How rows are spread over tasks and lie in files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rows import at, rows

from etl.engine.layout import SIDE_BY_SIDE, lay_out
from etl.facts.fct_ad_clicks import TABLE


@pytest.fixture
def clicks(spark: SparkSession) -> DataFrame:
    """Of 200 users, not in order, all in one task."""
    moment = at("10:00")
    users = [{"user_id": i * 37 % 200, "click_ts": moment + timedelta(seconds=i)} for i in range(200)]
    return rows(spark, TABLE, users).coalesce(1)


@pytest.fixture
def laid_out(clicks: DataFrame) -> Callable[..., list[list[int]]]:
    """The users of each task, as they lie."""

    def users(hours: int, arranged: bool) -> list[list[int]]:
        conf = clicks.sparkSession.conf
        conf.set("spark.sql.adaptive.coalescePartitions.enabled", "false")
        try:
            made = lay_out(clicks, TABLE, hours, arranged)
            parts = made.groupBy(F.spark_partition_id()).agg(F.collect_list("user_id")).collect()
        finally:
            conf.unset("spark.sql.adaptive.coalescePartitions.enabled")
        return [list(part[1]) for part in parts]

    return users


def test_rows_are_cut_into_even_ranges_in_order(laid_out: Callable[..., list[list[int]]]) -> None:
    tasks = laid_out(1, arranged=False)

    assert len(tasks) > 1
    assert max(map(len, tasks)) <= 1.5 * 200 / len(tasks)
    assert [user for task in sorted(tasks) for user in task] == list(range(200))


def test_rows_arranged_already_stay_in_their_task(laid_out: Callable[..., list[list[int]]]) -> None:
    assert laid_out(SIDE_BY_SIDE, arranged=True) == [list(range(200))]


def test_rows_of_more_hours_than_a_task_writes_at_once_are_spread_all_the_same(
    laid_out: Callable[..., list[list[int]]],
) -> None:
    assert len(laid_out(SIDE_BY_SIDE + 1, arranged=True)) > 1
