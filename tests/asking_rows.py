"""Asks a question of rows made for the purpose, without a lake."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession
from rows import Row, rows

from etl import catalog
from etl.queries import question
from etl.queries.asking import Asked
from etl.queries.parameters import complete


def ask_rows(spark: SparkSession, name: str, tables: dict[str, list[Row]], **params: Any) -> list[Row]:
    """The answer over tables of the rows given, empty where none are."""
    asked = question.load(name)
    for table in asked.inputs:
        rows(spark, catalog.entry(table).table, tables.get(table, [])).createOrReplaceTempView(table)
    values = complete(asked.parameters, asked.typed(params), lambda: None)
    return [row.asDict() for row in Asked(asked, values, spark.sql(asked.sql, args=values)).answer().collect()]
