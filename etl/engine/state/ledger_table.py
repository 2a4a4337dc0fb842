"""The ledger as a Delta table: creates, upgrades, reads, appends to and compacts it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from etl.engine.delta import tables as delta
from etl.engine.state import restores
from etl.errors import ConflictError, LakeError, first_line

SCHEMA = """
    run_id STRING, table_name STRING, started_at TIMESTAMP, seconds DOUBLE, verdict STRING, reason STRING,
    range_from TIMESTAMP, range_to TIMESTAMP, input_versions MAP<STRING, BIGINT>, output_version BIGINT,
    handled ARRAY<TIMESTAMP>, hours ARRAY<STRUCT<hour: TIMESTAMP, row_count: BIGINT, checksum: STRING>>,
    touched MAP<STRING, ARRAY<TIMESTAMP>>, fingerprints MAP<STRING, STRING>,
    records_read BIGINT, records_accepted BIGINT, records_quarantined BIGINT, rows_written BIGINT,
    rules BIGINT, failures STRING, metrics MAP<STRING, DOUBLE>, code_version STRING,
    table_id STRING, input_ids MAP<STRING, STRING>,
    landed ARRAY<STRUCT<hour: TIMESTAMP, files: BIGINT, records: BIGINT, expected: BIGINT, late: STRING>>,
    shard_number INT, shard_count INT, seen_version BIGINT, kept_from TIMESTAMP, compacted_to TIMESTAMP,
    logic_version INT, checked_version BIGINT, contradictions BIGINT, corrections BIGINT, rows_erased BIGINT,
    reaches_to TIMESTAMP, restored_to BIGINT,
    measures ARRAY<STRUCT<hour: TIMESTAMP, rule: STRING, rows: BIGINT, value: DOUBLE, categories: MAP<STRING, BIGINT>,
        verdict: STRING, severity: STRING, expected: DOUBLE, low: DOUBLE, high: DOUBLE>>,
    accepted_rule STRING, accepted_from TIMESTAMP
"""
STATE = {
    "shard": "shard_number", "shards": "shard_count", "seen_version": "seen_version", "kept_from": "kept_from",
    "condensed_to": "compacted_to", "logic_version": "logic_version", "checked_version": "checked_version",
    "contradictions": "contradictions", "corrections": "corrections", "rows_erased": "rows_erased",
}  # fmt: skip
"""Metric of earlier releases (DOUBLE; times in seconds since 1970) -> the typed column that replaces it."""
TIMES = ("kept_from", "compacted_to")
"""The columns of STATE that are TIMESTAMP; the others are integers."""
ADDED = (
    "table_id", "input_ids", "landed", *STATE.values(), "reaches_to", "restored_to", "measures", "accepted_rule",
    "accepted_from",
)  # fmt: skip
"""Columns that ledgers of earlier releases lack."""
COLUMNS = {"processed_hours": "handled", "affected_hours": "touched", "published_hours": "hours"}
"""Field of `Entry` -> column of the table, where the names differ: columns keep their names of the first release."""
_FIELDS = {column: field for field, column in COLUMNS.items()}
MAX_FILES = 48
"""With more files than this the ledger is compacted into one file. A run appends one or two files."""

_PROPERTIES = ", ".join(
    f"'{name}' = '{value}'" for name, value in delta.HISTORY_PROPERTIES.items()
)  # its log grows no more than others'


def create(spark: SparkSession, uri: str) -> None:
    """Create the table unless it exists."""
    if not delta.is_table(spark, uri):
        fields = SCHEMA.replace("\n", " ")
        delta.create(spark, uri, f"({fields}) USING DELTA TBLPROPERTIES ({_PROPERTIES})")


def missing(spark: SparkSession, uri: str) -> list[str]:
    """The columns and properties that the table of an earlier release lacks."""
    found = delta.metadata(spark, uri)
    columns = [name for name in ADDED if name not in found.schema.names]
    return [*columns, *(p for p, value in delta.HISTORY_PROPERTIES.items() if found.properties.get(p) != value)]


UPGRADE = "ADD COLUMNS, SET TBLPROPERTIES"
"""What `upgrade` does to the table, in short."""


def upgrade(spark: SparkSession, uri: str) -> None:
    """Add the columns and the properties that the table of an earlier release lacks, with one commit for each."""
    with delta.commit_metadata(spark, uri, "columns"):
        lacks = set(missing(spark, uri))
        if columns := lacks & set(ADDED):
            added = [f for f in cast(StructType, StructType.fromDDL(SCHEMA)).fields if f.name in columns]
            listed = ", ".join(f"{f.name} {f.dataType.simpleString()}" for f in added)
            spark.sql(f"ALTER TABLE delta.`{uri}` ADD COLUMNS ({listed})")
        if lacks & delta.HISTORY_PROPERTIES.keys():
            spark.sql(f"ALTER TABLE delta.`{uri}` SET TBLPROPERTIES ({_PROPERTIES})")


def rows(spark: SparkSession, uri: str) -> list[dict[str, Any]]:
    """All rows as fields of `Entry`, oldest first; NULL values are left out, times are aware and in UTC.

    Spark hands the rows over as JSON: to convert lists and maps of 100,000 rows value by value takes minutes.
    """
    table = delta.read(spark, uri)
    text = F.to_json(F.struct(*table.columns), {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"})
    lines = table.select(text.alias("row")).toArrow()["row"].to_numpy()
    return sorted((_row(json.loads(line)) for line in lines), key=lambda row: row["started_at"])


def _row(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("started_at", "range_from", "range_to", "reaches_to", "accepted_from", *TIMES):
        if name in row:
            row[name] = _time(row[name])
    for name in ("hours", "landed", "measures"):
        for each in row.get(name, []):
            each["hour"] = _time(each["hour"])
    row["handled"] = list(map(_time, row.get("handled", [])))
    row["touched"] = {column: list(map(_time, hours)) for column, hours in row.get("touched", {}).items()}
    return as_entry(row)


def as_entry(row: dict[str, Any]) -> dict[str, Any]:
    """The columns of a row as fields of `Entry`. State that earlier releases kept among the metrics gets its field."""
    metrics = row.get("metrics") or {}
    state = {name: _state(name, metrics[key]) for key, name in STATE.items() if key in metrics}
    fields = {_FIELDS.get(name, name): value for name, value in row.items()}
    return fields | {"metrics": {key: value for key, value in metrics.items() if key not in STATE}} | state


def _state(name: str, value: float) -> datetime | int:
    return datetime.fromtimestamp(value, UTC) if name in TIMES else int(value)


def as_row(entry: dict[str, Any]) -> dict[str, Any]:
    """The fields of an `Entry` as columns of the table."""
    return {COLUMNS.get(name, name): value for name, value in entry.items()}


@lru_cache(100_000)
def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def append(spark: SparkSession, uri: str, new: list[dict[str, Any]], run_id: str, restored: str = "") -> None:
    """Add rows in one commit.

    Raises LakeError when they cannot be written, or when the lake was restored after the restore `restored`.
    """
    frame = spark.createDataFrame([as_row(row) for row in new], SCHEMA).coalesce(1)
    try:
        with delta.commit_metadata(spark, uri, run_id):
            restores.refuse_since(spark, uri, restored)
            frame.write.format("delta").mode("append").save(uri)
    except (Py4JJavaError, PySparkException) as error:
        raise LakeError(f"{uri} cannot be written: {first_line(error)}. Run again: nothing is lost.") from error


def compact(spark: SparkSession, uri: str) -> bool:
    """Write many small files as one; returns whether it did.

    The commit changes no row, so appends of parallel runs do not conflict with it. When another process compacts the
    ledger at the same time, this one gives up. The old files stay for readers until `maintain` removes them.
    """
    if delta.number_of_files(spark, uri) <= MAX_FILES:
        return False
    try:
        with delta.translate_conflicts(uri), delta.commit_metadata(spark, uri, "compaction"):
            spark.sql(f"OPTIMIZE delta.`{uri}`")
    except ConflictError:
        return False
    return True
