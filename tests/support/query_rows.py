"""Runs a named query over rows of a test, without a lake."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyspark.sql import SparkSession

from etl import catalog
from etl.engine.sql import views
from etl.queries import binding, named_query
from etl.queries.binding import BoundQuery
from etl.queries.parameters import complete
from support.rows import Row, rows


def run_query(spark: SparkSession, name: str, tables: dict[str, list[Row]], **params: Any) -> list[Row]:
    """The result of a named query over the given rows of its input tables. A table without rows is empty."""
    query = named_query.load(name)
    values = complete(query.parameters.values(), query.typed(params), lambda: datetime.min)
    for name in query.inputs:
        table = catalog.entry(name).table
        made, now = rows(spark, table, tables.get(name, [])), binding.now(values)
        (views.as_of(made, table, now) if now else made).createOrReplaceTempView(name)
    return [row.asDict() for row in BoundQuery(query, values, spark.sql(query.sql, args=values)).answer().collect()]


def picked(answer: list[Row], *names: str) -> list[tuple[Any, ...]]:
    """Some columns of every row of an answer."""
    return [tuple(row[name] for name in names) for row in answer]
