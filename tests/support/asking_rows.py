"""Asks a question of rows made for the purpose, without a lake."""

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


def ask_rows(spark: SparkSession, name: str, tables: dict[str, list[Row]], **params: Any) -> list[Row]:
    """The answer over tables of the rows given, empty where none are."""
    asked = named_query.load(name)
    values = complete(asked.parameters, asked.typed(params), lambda: datetime.min)
    for name in asked.inputs:
        table = catalog.entry(name).table
        made, now = rows(spark, table, tables.get(name, [])), binding.now(values)
        (views.as_of(made, table, now) if now else made).createOrReplaceTempView(name)
    return [row.asDict() for row in BoundQuery(asked, values, spark.sql(asked.sql, args=values)).answer().collect()]
