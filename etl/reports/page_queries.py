"""Runs the queries of pages: named queries, and SQL files next to the dashboards. Values are bound, never pasted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, StructField, TimestampType

from etl import queries
from etl.conf import Settings
from etl.engine.sql import reads, views
from etl.queries import sql_files

Row = dict[str, Any]
YEARS = "0002-01-01", "9999-01-01"
"""Days that Python can hold, less a margin at either end: a time zone shifts an instant by up to a day."""


def text(name: str) -> str:
    """The SQL of a page query. Raises KeyError when no dashboard has it."""
    return sql_files.find("dashboard")[name].read_text(encoding="utf-8")


def run_page_query(spark: SparkSession, settings: Settings, name: str, **parameters: Any) -> list[Row]:
    """The rows of a page's query, with dimensions as of the parameter `end`. Times are UTC.

    Raises LakeError when the lake does not have a table yet.
    """
    views.register(spark, settings, reads.tables(text(name)), parameters.get("end"))
    return _collected(spark.sql(text(name), args=parameters))


def run_named_query(spark: SparkSession, settings: Settings, name: str, **parameters: Any) -> list[Row]:
    """The rows of a named query, the same as `feed-etl query` gives. Times are UTC. Raises the errors of the query."""
    return _collected(queries.run(spark, settings, name, **parameters))


def _collected(answer: DataFrame) -> list[Row]:
    """The rows. An instant or day outside of YEARS becomes None; lakes of old releases may hold one."""
    valid = answer.select(*[_within_years(field).alias(field.name) for field in answer.schema])
    return [{key: _utc(value) for key, value in row.asDict().items()} for row in valid.collect()]


def _within_years(field: StructField) -> Column:
    value = F.col(field.name)
    if not isinstance(field.dataType, DateType | TimestampType):
        return value
    first, last = (F.lit(day).cast(field.dataType) for day in YEARS)
    return F.when((value >= first) & (value < last), value)


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
