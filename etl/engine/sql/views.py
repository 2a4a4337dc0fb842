"""Runs SQL over the tables of a lake: each table is a temporary view with the table's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import defaults
from etl.engine.delta import tables as delta
from etl.engine.spark.files import absolute
from etl.engine.spark.jvm import as_seq, jvm
from etl.engine.spark.options import options
from etl.engine.sql import question_log, read_only
from etl.errors import LakeError
from etl.model.contract import Scd2, Table

LEDGER, RESULTS = "ledger", "dq_result"
RESULTS_FOLDER = f"_{RESULTS}"
WITHOUT_CONTRACT = (LEDGER, RESULTS)
"""Tables of the lake that are not in the catalog."""
# Spark must not replace `${env:NAME}` in a statement, nor read a file as a table.
SAFE_OPTIONS = {"spark.sql.variable.substitute": "false", "spark.sql.runSQLOnFiles": "false"}


def uri(settings: Settings, table: Table) -> str:
    """URI of a table in the lake of these settings."""
    return f"{absolute(settings.lake)}/{table.path}"


def table_rows(spark: SparkSession, settings: Settings, table: Table) -> int | None:
    """Number of published rows, from the log's statistics; None when the table does not exist yet."""
    table_uri = uri(settings, table)
    return delta.read(spark, table_uri).count() if delta.is_table(spark, table_uri) else None


def results_row(spark: SparkSession, settings: Settings) -> dict[str, Any]:
    """`dq_result`, which is not in the catalog, as a row of the list of tables."""
    at = locations(settings)[RESULTS]
    rows = delta.read(spark, at).count() if delta.is_table(spark, at) else None
    common = {"key": ["run_id", "table_name", "hour", "rule"], "partition": ["day"], "owner": ""}
    return {"name": RESULTS, "layer": "operations", "uri": at, "rows": rows, **common}


def locations(settings: Settings) -> dict[str, str]:
    """Name -> URI of every Delta table that SQL may read: every table, the ledger and the results of rules."""
    lake = absolute(settings.lake)
    return {t.name: uri(settings, t) for t in catalog.tables()} | {
        LEDGER: f"{lake}/_ledger",
        RESULTS: f"{lake}/{RESULTS_FOLDER}",
    }


def register(
    spark: SparkSession,
    settings: Settings,
    names: Iterable[str],
    at: date | datetime | None = None,
    batches: Mapping[str, str] | None = None,
) -> None:
    """Create a temporary view of each table or rejected batch. Raises LakeError when it is not in the lake (yet).

    With `at`, the view of a dimension shows the versions as of that instant (of a date: its start).
    """
    uris = locations(settings) | dict(batches or {})
    for name in names:
        if not delta.is_table(spark, uris[name]):
            raise LakeError(f"{name} is not in the lake yet ({uris[name]}). Run `feed-etl run` first.")
        rows, table = delta.read(spark, uris[name]), catalog.entries().get(name)
        if table:
            rows = defaults.applied(rows, table.table)
        visible = as_of(rows, table.table, at) if table and at is not None else rows
        visible.createOrReplaceTempView(f"`{name}`")


def as_of(rows: DataFrame, table: Table, at: date | datetime) -> DataFrame:
    """The versions of a dimension (Scd2) as of an instant, without changes that are scheduled for later.

    Drops versions that begin later. A version that ends later has no end, is current and is not deleted. Returns all
    rows of a dimension whose surrogate ids are issued upstream, because facts carry the id of a version before the
    version is live. Returns all rows of other tables.
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


def query(spark: SparkSession, settings: Settings, text: str) -> DataFrame:
    """The rows of a statement over tables of the lake. Raises ConfigError when it would do more than read them."""
    uris = locations(settings)
    costs = (question_log.VIEW, question_log.DAILY)
    with options(spark, SAFE_OPTIONS):
        plan = spark._jsparkSession.sessionState().sqlParser().parsePlan(text)
        reader = read_only.check(spark, plan, [*uris, *costs])
        batches = {name: f"{absolute(settings.lake)}/{path}" for name, path in reader.batches.items()}
        listed = [name for name in uris if delta.is_table(spark, uris[name])] if reader.lists_tables else []
        register(spark, settings, [*reader.tables.difference(costs), *listed], batches=batches)
        _register_costs(spark, settings, reader.tables.intersection(costs))
        if reader.history:
            plan = _describe_by_uri(spark, plan, (uris | batches)[reader.history])
        return DataFrame(jvm(spark, "org.apache.spark.sql.classic.Dataset").ofRows(spark._jsparkSession, plan), spark)


def _register_costs(spark: SparkSession, settings: Settings, names: Iterable[str]) -> None:
    """Create the views of what questions and runs cost."""
    for name in names:
        if name == question_log.VIEW:
            rows = question_log.rows(spark, settings)
        else:
            rows = question_log.daily(spark, settings, delta.read(spark, locations(settings)[LEDGER]))
        rows.createOrReplaceTempView(name)


def _describe_by_uri(spark: SparkSession, plan: Any, table_uri: str) -> Any:
    """The plan of DESCRIBE HISTORY or DETAIL with the table's URI in place of its name: a view has no history."""
    spark.conf.set("spark.sql.runSQLOnFiles", "true")
    by_uri = spark._jsparkSession.sessionState().sqlParser().parsePlan(f"DESCRIBE DETAIL delta.`{table_uri}`")
    return plan.withNewChildren(as_seq(spark, [by_uri.child()]))
