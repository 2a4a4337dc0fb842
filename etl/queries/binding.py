"""Runs a named query: binds its parameters, runs its SQL over the published tables, and finishes the result."""

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
from etl.engine.people.keys import SECRET, pseudonym_key
from etl.engine.spark import session
from etl.engine.spark.files import absolute
from etl.engine.sql import views
from etl.engine.state import planner
from etl.errors import ConfigError
from etl.model.contract import Table
from etl.queries.named_query import NamedQuery, finisher
from etl.queries.parameters import complete


@dataclass(frozen=True)
class BoundQuery:
    """A named query with every parameter bound. Only the Delta logs of the tables have been read so far."""

    query: NamedQuery
    values: dict[str, Any]
    rows: DataFrame
    """Result of the SQL, before `finish`."""

    def answer(self) -> DataFrame:
        """The final result, with the grain that the header states."""
        module = finisher(self.query.name)
        if module is None:
            return self.rows
        finished: DataFrame = module.finish(self.rows, self.values)
        return finished


@dataclass(frozen=True)
class Read:
    """Partitions and files that a query reads of one input. Partitions are hours or days; a dimension has none."""

    table: str
    partitions: tuple[str, ...]
    of_partitions: int
    files: int
    of_files: int


def bind(spark: SparkSession, settings: Settings, query: NamedQuery, given: Mapping[str, Any]) -> BoundQuery:
    """Bind the parameters of a query, already converted to their types, to a lake.

    Raises LakeError when an input is missing or empty, and ConfigError when the time zone of the session is not UTC or
    the interval has days whose rows of viewers are not kept without a pseudonym key.
    """
    session.require_utc(spark)
    views.register(spark, settings, query.inputs)
    values = complete(query.parameters.values(), given, lambda: latest(spark, settings, query.inputs[0]))
    _refuse_lost_days(query, values)
    views.register(spark, settings, query.inputs, now(values))
    return BoundQuery(query, values, spark.sql(query.sql, args=values))


def _refuse_lost_days(query: NamedQuery, values: Mapping[str, Any]) -> None:
    most = query.max_days_without_key
    if most is None or pseudonym_key() is not None or (days := (values["end"] - values["start"]).days) <= most:
        return
    raise ConfigError(
        f"{query.name}: {values['start']} to {values['end']} has {days} days, and at most {most} are possible: without "
        f"a pseudonym key, marts per viewer are kept for 30 days. Choose a later start, or set {SECRET} for new lakes."
    )


def latest(spark: SparkSession, settings: Settings, name: str) -> datetime:
    """The end of the last landed hour that was processed for the subjects of a table.

    Raises LakeError when no hour was processed.
    """
    return arrivals.newest(spark, absolute(settings.lake), catalog.entry(name).table) + planner.HOUR


def now(values: Mapping[str, Any]) -> date | datetime | None:
    """The instant of a query: its parameter `as_of`, or else `end`. Dimensions are read as of this instant."""
    found: date | datetime | None = values.get("as_of", values.get("end"))
    return found


def reads(spark: SparkSession, settings: Settings, bound: BoundQuery) -> list[Read]:
    """The partitions and files that a query reads of each input, after pruning. Reads only the Delta logs."""
    files = bound.rows.inputFiles()
    return [_read(spark, settings, catalog.entry(name).table, files) for name in bound.query.inputs]


def _read(spark: SparkSession, settings: Settings, table: Table, files: list[str]) -> Read:
    all_files = delta.read(spark, views.uri(settings, table)).inputFiles()
    own_files = [file for file in files if f"/{table.path}/" in file]
    partitions = _partitions(own_files, table)
    return Read(table.name, partitions, len(_partitions(all_files, table)), len(own_files), len(all_files))


def _partitions(files: list[str], table: Table) -> tuple[str, ...]:
    if not table.hour:
        return ()
    return tuple(
        sorted({unquote(unquote(part)) for file in files for part in file.split("/") if f"{table.hour}=" in part})
    )
