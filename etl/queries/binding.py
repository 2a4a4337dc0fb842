"""Ask a question: bind its parameters, run its SQL over the published tables, finish it; or tell what it would read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.landing import arrivals
from etl.engine.spark import session
from etl.engine.spark.files import absolute
from etl.engine.sql import views
from etl.engine.state import planner
from etl.model.contract import Table
from etl.queries.named_query import NamedQuery, finisher
from etl.queries.parameters import complete


@dataclass(frozen=True)
class BoundQuery:
    """A question with every parameter bound; nothing has been read yet but the tables' logs."""

    question: NamedQuery
    values: dict[str, Any]
    rows: DataFrame
    """What the SQL alone gives."""

    def answer(self) -> DataFrame:
        """The rows the header promises."""
        module = finisher(self.question.name)
        if module is None:
            return self.rows
        finished: DataFrame = module.finish(self.rows, self.values)
        return finished


@dataclass(frozen=True)
class Read:
    """What a question reads of one input; partitions are the hours or days, a dimension has none."""

    table: str
    partitions: tuple[str, ...]
    of_partitions: int
    files: int
    of_files: int


def ask(spark: SparkSession, settings: Settings, question: NamedQuery, given: Mapping[str, Any]) -> BoundQuery:
    """Bind a question's parameters (typed already) over a lake. Raises LakeError when an input is missing or empty.

    Raises ConfigError when the session's time zone is not UTC.
    """
    session.require_utc(spark)
    views.register(spark, settings, question.inputs)
    values = complete(question.parameters, given, lambda: latest(spark, settings, question.inputs[0]))
    views.register(spark, settings, question.inputs, now(values))
    return BoundQuery(question, values, spark.sql(question.sql, args=values))


def latest(spark: SparkSession, settings: Settings, name: str) -> datetime:
    """The end of the newest landed hour that was processed for the subjects of a table. Raises LakeError: none was."""
    return arrivals.newest(spark, absolute(settings.lake), catalog.entry(name).table) + planner.HOUR


def now(values: Mapping[str, Any]) -> date | datetime | None:
    """The instant a question is asked for: its `as_of`, else its `end`. Dimensions are as of then."""
    found: date | datetime | None = values.get("as_of", values.get("end"))
    return found


def reads(spark: SparkSession, settings: Settings, bound: BoundQuery) -> list[Read]:
    """What each input contributes, after partition pruning and file skipping; only logs are looked at."""
    files = bound.rows.inputFiles()
    return [_read(spark, settings, catalog.entry(name).table, files) for name in bound.question.inputs]


def _read(spark: SparkSession, settings: Settings, table: Table, files: list[str]) -> Read:
    all_files = delta.read(spark, views.uri(settings, table)).inputFiles()
    own_files = [file for file in files if f"/{table.layer.name.lower()}/{table.name}/" in file]
    partitions = _partitions(own_files, table)
    return Read(table.name, partitions, len(_partitions(all_files, table)), len(own_files), len(all_files))


def _partitions(files: list[str], table: Table) -> tuple[str, ...]:
    if not table.hour:
        return ()
    return tuple(
        sorted({unquote(unquote(part)) for file in files for part in file.split("/") if f"{table.hour}=" in part})
    )
