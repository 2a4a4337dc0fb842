"""The ledger as a Delta table: made, given new columns, read, appended to, and kept in few files as it grows."""

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
    logic_version INT, checked_version BIGINT, contradictions BIGINT, corrections BIGINT, rows_erased BIGINT
"""
STATE = {
    "shard": "shard_number", "shards": "shard_count", "seen_version": "seen_version", "kept_from": "kept_from",
    "condensed_to": "compacted_to", "logic_version": "logic_version", "checked_version": "checked_version",
    "contradictions": "contradictions", "corrections": "corrections", "rows_erased": "rows_erased",
}  # fmt: skip
"""Metrics of earlier releases (FLOAT; instants as seconds since 1970) that are columns of their own type now."""
INSTANTS = ("kept_from", "compacted_to")
ADDED = ("table_id", "input_ids", "landed", *STATE.values())  # columns that ledgers of earlier releases lack
COLUMNS = {"processed_hours": "handled", "affected_hours": "touched", "published_hours": "hours"}
_FIELDS = {column: field for field, column in COLUMNS.items()}
MAX_FILES = 48  # a run appends one or two; more than this are written as one

_PROPERTIES = ", ".join(
    f"'{name}' = '{value}'" for name, value in delta.HISTORY_PROPERTIES.items()
)  # its log grows no more than others'


def create(spark: SparkSession, uri: str) -> None:
    """Make the table unless it is there."""
    if not delta.is_table(spark, uri):
        fields = SCHEMA.replace("\n", " ")
        delta.create(spark, uri, f"({fields}) USING DELTA TBLPROPERTIES ({_PROPERTIES})")


def upgrade(spark: SparkSession, uri: str) -> None:
    """Give a table of an earlier release the columns and the property that it lacks, a commit each."""
    with delta.commit_metadata(spark, uri, "columns"):
        lacking = set(ADDED) - set(delta.read(spark, uri).columns)
        if lacking:
            added = [f for f in cast(StructType, StructType.fromDDL(SCHEMA)).fields if f.name in lacking]
            listed = ", ".join(f"{f.name} {f.dataType.simpleString()}" for f in added)
            spark.sql(f"ALTER TABLE delta.`{uri}` ADD COLUMNS ({listed})")
        if not delta.HISTORY_PROPERTIES.items() <= delta.properties(spark, uri).items():
            spark.sql(f"ALTER TABLE delta.`{uri}` SET TBLPROPERTIES ({_PROPERTIES})")


def rows(spark: SparkSession, uri: str) -> list[dict[str, Any]]:
    """Every row as a dictionary without what is NULL, times aware and in UTC, oldest first.

    As text: of a hundred thousand rows with lists and maps a value at a time would take minutes.
    """
    table = delta.read(spark, uri)
    text = F.to_json(F.struct(*table.columns), {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"})
    lines = table.select(text.alias("row")).toArrow()["row"].to_numpy()
    return sorted((_row(json.loads(line)) for line in lines), key=lambda row: row["started_at"])


def _row(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("started_at", "range_from", "range_to", *INSTANTS):
        if name in row:
            row[name] = _instant(row[name])
    for name in ("hours", "landed"):
        for each in row.get(name, []):
            each["hour"] = _instant(each["hour"])
    row["handled"] = list(map(_instant, row.get("handled", [])))
    row["touched"] = {column: list(map(_instant, hours)) for column, hours in row.get("touched", {}).items()}
    return as_entry(row)


def as_entry(row: dict[str, Any]) -> dict[str, Any]:
    """A row under the names of the fields of an `Entry`, what earlier releases kept among the metrics included."""
    metrics = row.get("metrics") or {}
    state = {name: _state(name, metrics[key]) for key, name in STATE.items() if key in metrics}
    fields = {_FIELDS.get(name, name): value for name, value in row.items()}
    return fields | {"metrics": {key: value for key, value in metrics.items() if key not in STATE}} | state


def _state(name: str, value: float) -> datetime | int:
    return datetime.fromtimestamp(value, UTC) if name in INSTANTS else int(value)


def as_row(entry: dict[str, Any]) -> dict[str, Any]:
    """The fields of an `Entry` under the names of the table's columns, which are those of the first release."""
    return {COLUMNS.get(name, name): value for name, value in entry.items()}


@lru_cache(100_000)
def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def append(spark: SparkSession, uri: str, new: list[dict[str, Any]], run_id: str) -> None:
    """Add rows in one commit. Raises LakeError when they cannot be written."""
    frame = spark.createDataFrame([as_row(row) for row in new], SCHEMA).coalesce(1)
    try:
        with delta.commit_metadata(spark, uri, run_id):
            frame.write.format("delta").mode("append").save(uri)
    except (Py4JJavaError, PySparkException) as error:
        raise LakeError(f"{uri} cannot be written: {first_line(error)}. Run again: nothing is lost.") from error


def compact(spark: SparkSession, uri: str) -> bool:
    """Write many small files as one, in a commit that changes no row; what others append meanwhile is no conflict.

    Returns whether it did. When another run compacts or folds the ledger at the same time, that one is enough. Files
    of before stay for readers until `maintain` removes them.
    """
    if delta.number_of_files(spark, uri) <= MAX_FILES:
        return False
    try:
        with delta.translate_conflicts(uri), delta.commit_metadata(spark, uri, "compaction"):
            spark.sql(f"OPTIMIZE delta.`{uri}`")
    except ConflictError:
        return False
    return True
