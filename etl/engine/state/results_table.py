"""`dq_result`: the Delta table with the result of every rule for every table-hour that a run judged.

Other teams read it and gate on it. It is derived from ledger rows and written right before them, in one append, so that
a killed run loses no result: the next run recovers the ledger row and writes its results. A run that is killed between
the two commits writes the same rows again. A run whose results cannot be written warns and goes on without them.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.sql import views

NAME, FOLDER = views.RESULTS, views.RESULTS_FOLDER
COLUMNS = {
    "run_id": ("STRING", "The run that judged."),
    "table_name": ("STRING", "The judged table."),
    "hour": ("TIMESTAMP", "The judged hour (day). NULL for a table without hours."),
    "rule": ("STRING", "The rule, as in reports and in the suite."),
    "rule_version": ("STRING", "A hash of what the rule says. NULL for rules of the engine, such as hour_is_complete."),
    "severity": ("STRING", "critical, warning or info, as it was applied."),
    "verdict": ("STRING", "passed, failed, broken (it could not be evaluated) or none (too little history)."),
    "observed": ("DOUBLE", "Unexpected rows of the batch; the metric of a rule about history. NULL when unknown."),
    "expected": ("DOUBLE", "The baseline of a rule about history. NULL for other rules."),
    "threshold": ("DOUBLE", "The limit next to the observed value. NULL when the rule has no such limit."),
    "judged_at": ("TIMESTAMP", "When the run of the table started."),
    "day": ("DATE", "The day of judged_at (UTC). Partition of the table."),
}
"""Column -> type and meaning."""
_ARROW = {"STRING": pa.string(), "TIMESTAMP": pa.timestamp("us", "UTC"), "DOUBLE": pa.float64(), "DATE": pa.date32()}
SCHEMA = pa.schema([(name, _ARROW[kind]) for name, (kind, _) in COLUMNS.items()])
MAX_FILES = 48
"""With more files than this, maintenance compacts the table. A run appends one file."""


def uri(lake: str) -> str:
    """URI of the table in a lake."""
    return f"{lake}/{FOLDER}"


def append(spark: SparkSession, lake: str, rows: list[dict[str, Any]], run_id: str) -> None:
    """Add rows in one commit; creates the table when there is none. Raises what Spark and Delta raise."""
    if not rows:
        return
    at = uri(lake)
    if not delta.is_table(spark, at):
        listed = ", ".join(f"{name} {kind} COMMENT '{text}'" for name, (kind, text) in COLUMNS.items())
        properties = ", ".join(f"'{k}' = '{v}'" for k, v in delta.HISTORY_PROPERTIES.items())
        delta.create(spark, at, f"({listed}) USING DELTA PARTITIONED BY (day) TBLPROPERTIES ({properties})")
    frame = spark.createDataFrame(pa.Table.from_pylist(rows, SCHEMA)).coalesce(1)
    with delta.commit_metadata(spark, at, run_id):
        frame.write.format("delta").mode("append").save(at)


def remove_before(spark: SparkSession, lake: str, day: date) -> None:
    """Remove the results of runs before a day, in one commit."""
    txn = Transaction(spark, uri(lake))
    txn.remove(f"day < DATE'{day}'")
    if not txn.is_empty:
        txn.commit(f"retention: before {day}")


def compact(spark: SparkSession, lake: str) -> None:
    """Write many small files as one per day. Raises ConflictError when another process does so at the same time."""
    with delta.translate_conflicts(uri(lake)), delta.commit_metadata(spark, uri(lake), "compaction"):
        spark.sql(f"OPTIMIZE delta.`{uri(lake)}`")
