"""Tables of release 0.1.0 lack some columns: `migrate` adds them, and questions read NULL until it has run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import at, rows

from etl.engine.delta import defaults
from etl.engine.delta.tables import Metadata
from etl.engine.jobs import contract_changes, ddl
from etl.model.contract import Table
from etl.subjects.feed.columns import UNKNOWN_IN_OLD_ROWS
from etl.subjects.feed.marts import mart_post_engagement_daily, mart_ranker_viewer_daily
from etl.subjects.feed.rollups import agg_post_engagement_hourly, agg_ranker_hourly

NEW = (*UNKNOWN_IN_OLD_ROWS, "first_impression_ts")
TABLES = [
    module.TABLE
    for module in (agg_post_engagement_hourly, agg_ranker_hourly, mart_post_engagement_daily, mart_ranker_viewer_daily)
]


def of_old_release(table: Table) -> Table:
    """The contract of the table before the new columns."""
    return replace(table, columns=tuple(c for c in table.columns if c.name not in NEW))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_of_an_old_release_can_be_migrated(spark: SparkSession, table: Table) -> None:
    old = Metadata(ddl.schema(of_old_release(table)), table.partition, {})

    due = contract_changes.changes(table, old, {}, ddl.schema(table))

    assert [change for change in due if not change.is_safe] == []
    added = {name for change in due for name in change.names if change.what.startswith("add the column")}
    assert added == set(NEW) & set(table.column_names) != set()


def test_a_question_reads_null_in_a_column_that_is_not_there_yet(spark: SparkSession) -> None:
    given = rows(spark, of_old_release(agg_ranker_hourly.TABLE), [{"regrets": 2, "hour": at("10:00")}])

    read = defaults.applied(given, agg_ranker_hourly.TABLE)

    assert read.select("regrets", "likes_given", F.typeof("likes_given")).collect() == [(2, None, "bigint")]
