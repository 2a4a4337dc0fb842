"""What reports ask: named questions, and SQL beside the code for what only a page shows; values are bound."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from etl import queries
from etl.conf import Settings
from etl.engine import views

Row = dict[str, Any]


@cache
def text(name: str) -> str:
    """The SQL of a question."""
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")


def ask(spark: SparkSession, settings: Settings, name: str, **parameters: Any) -> list[Row]:
    """Rows of a question, dimensions as of its `end`; times are UTC. Raises LakeError when a table is not there yet."""
    views.register(spark, settings, views.named(text(name)), parameters.get("end"))
    return _collected(spark.sql(text(name), args=parameters))


def ask_named(spark: SparkSession, settings: Settings, name: str, **parameters: Any) -> list[Row]:
    """Rows of a question of etl/queries, as anyone who asks it gets them; times are UTC."""
    return _collected(queries.run(spark, settings, name, **parameters))


def _collected(answer: DataFrame) -> list[Row]:
    return [{key: _utc(value) for key, value in row.asDict().items()} for row in answer.collect()]


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
