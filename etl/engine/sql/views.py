"""Every table as a view by its name, for SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.spark.files import absolute
from etl.engine.spark.jvm import as_seq, jvm
from etl.engine.sql import read_only
from etl.errors import LakeError
from etl.model.contract import Scd2, Table

LEDGER = "ledger"
REJECTED = re.compile(r"_rejected/\w+/[\w-]+")  # a batch that was rejected, by its place in the lake
# A statement means what it says: no `${env:NAME}` in it is replaced, and no file is read as a table.
AS_WRITTEN = {"spark.sql.variable.substitute": "false", "spark.sql.runSQLOnFiles": "false"}


def uri(settings: Settings, table: Table) -> str:
    """Where a table of a lake is."""
    return f"{absolute(settings.lake)}/{table.layer.name.lower()}/{table.name}"


def table_rows(spark: SparkSession, settings: Settings, table: Table) -> int | None:
    """Published rows, from the log's statistics; None when the table is not there yet."""
    where = uri(settings, table)
    return delta.read(spark, where).count() if delta.is_table(spark, where) else None


def locations(settings: Settings) -> dict[str, str]:
    """Name -> URI of all that SQL may read: every table, and the ledger."""
    return {t.name: uri(settings, t) for t in catalog.tables()} | {LEDGER: f"{absolute(settings.lake)}/_ledger"}


def rejected_batches(settings: Settings, text: str) -> dict[str, str]:
    """Name in lower case -> URI of the rejected batches of the lake that a text names, as `_rejected/TABLE/RUN`."""
    return {name.lower(): f"{absolute(settings.lake)}/{name}" for name in REJECTED.findall(text)}


def register(
    spark: SparkSession,
    settings: Settings,
    names: Iterable[str],
    at: date | datetime | None = None,
    batches: Mapping[str, str] | None = None,
) -> None:
    """Make a view of each table, or rejected batch. Raises LakeError when the lake does not have it (yet).

    With `at`, a dimension is shown as of that instant (the start of a day).
    """
    known = locations(settings) | dict(batches or {})
    for name in names:
        if not delta.is_table(spark, known[name]):
            raise LakeError(f"{name} is not in the lake yet ({known[name]}). Run `feed-etl run` first.")
        rows = delta.read(spark, known[name])
        seen = rows if at is None or name == LEDGER else as_of(rows, catalog.entry(name).table, at)
        seen.createOrReplaceTempView(f"`{name}`")


def as_of(rows: DataFrame, table: Table, at: date | datetime) -> DataFrame:
    """The versions of a dimension as they stood at an instant: what is scheduled for later has not happened.

    A version that begins later is not there; one that ends later has no end, is current and is not deleted. A version
    with a surrogate issued upstream stays: facts carry its id, whenever it went live. Other tables are as they are.
    """
    if not isinstance(table.write, Scd2) or not table.write.surrogate:
        return rows
    instant = F.lit(at).cast("timestamp")
    has_ended = F.coalesce(F.col("valid_to") <= instant, F.lit(False))
    return rows.where(F.col("valid_from") <= instant).withColumns(
        {
            "valid_to": F.when(has_ended, F.col("valid_to")),
            "is_current": ~has_ended,
            "is_deleted": has_ended & F.col("is_deleted"),
        }
    )


def named(text: str) -> list[str]:
    """The tables whose names are words of a text."""
    words = set(re.findall(r"\w+", text.lower()))
    return [name for name in (*(t.name for t in catalog.tables()), LEDGER) if name in words]


def query(spark: SparkSession, settings: Settings, text: str) -> DataFrame:
    """The rows of a statement over tables by their names. Raises ConfigError when it would do more than read them."""
    batches = rejected_batches(settings, text)
    known = locations(settings) | batches
    with _as_written(spark):
        plan = spark._jsparkSession.sessionState().sqlParser().parsePlan(text)
        found = read_only.check(spark, plan, known)
        there = [name for name in known if delta.is_table(spark, known[name])] if found.lists else []
        register(spark, settings, [*found.tables, *there], batches=batches)
        if found.history:
            plan = _at_its_place(spark, plan, known[found.history])
        return DataFrame(jvm(spark, "org.apache.spark.sql.classic.Dataset").ofRows(spark._jsparkSession, plan), spark)


def _at_its_place(spark: SparkSession, plan: Any, where: str) -> Any:
    """DESCRIBE HISTORY or DETAIL of a table by its URI, since a view has neither."""
    spark.conf.set("spark.sql.runSQLOnFiles", "true")
    by_uri = spark._jsparkSession.sessionState().sqlParser().parsePlan(f"DESCRIBE DETAIL delta.`{where}`")
    return plan.withNewChildren(as_seq(spark, [by_uri.child()]))


@contextmanager
def _as_written(spark: SparkSession) -> Iterator[None]:
    before = {key: str(spark.conf.get(key)) for key in AS_WRITTEN}
    try:
        for key, value in AS_WRITTEN.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, value in before.items():
            spark.conf.set(key, value)
