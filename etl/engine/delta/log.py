"""Removes old entries of a Delta log after it has verified that the newest version can be read without them.

Delta's `checkpoint()` logs a failure and goes on. So this module reads the checkpoint back from the disk and compares
it with the snapshot in memory. It removes the oldest entries first: the table stays readable when the removal stops.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.engine.delta import tables as delta
from etl.engine.spark import documents, files
from etl.engine.spark.files import LandedFile, glob_escape
from etl.engine.spark.jvm import as_dict, as_list, none
from etl.errors import LakeError, first_line

CHECKPOINT = re.compile(r"\d{20}\.checkpoint(?:\.(?P<part>\d{10})\.(?P<parts>\d{10}))?\.parquet")
HINT = "_last_checkpoint"  # Delta reads this file first to find the newest checkpoint
FILE_COLUMNS = (
    "path", "size", "deletionVector.storageType", "deletionVector.pathOrInlineDv", "deletionVector.cardinality"
)  # fmt: skip


def forget_versions(spark: SparkSession, uri: str) -> int:
    """Remove the log of all versions but the newest one; returns the number of log files removed.

    Why: file statistics in the log contain values of rows. Earlier versions cannot be read afterwards. Raises
    LakeError, and removes nothing, when the newest version cannot be read without the earlier entries.
    """
    newest = delta.snapshot(spark, uri)
    old = _older(spark, uri, int(newest.version()))
    if old:
        _ensure_checkpoint(spark, uri, newest)
        for file in old:
            files.delete(spark, file.uri)
    return len(old)


def _older(spark: SparkSession, uri: str, version: int) -> list[LandedFile]:
    """Log entries, checksums and checkpoints of earlier versions, oldest first."""
    versioned = [f for f in files.walk(spark, f"{uri}/_delta_log") if f.name[:20].isdecimal()]
    return sorted((f for f in versioned if int(f.name[:20]) < version), key=lambda f: f.name)


def _ensure_checkpoint(spark: SparkSession, uri: str, newest: Any) -> None:
    """Write a checkpoint of a version unless a complete one exists, and remove a hint to an earlier checkpoint."""
    if _checkpoint_fault(spark, uri, newest):
        try:
            newest.deltaLog().checkpoint(newest, none(spark))
        except Py4JError as error:
            raise _incomplete(uri, first_line(error)) from error
        if fault := _checkpoint_fault(spark, uri, newest):
            raise _incomplete(uri, fault)
    _remove_old_hint(spark, uri, int(newest.version()))


def _incomplete(uri: str, why: str) -> LakeError:
    return LakeError(
        f"{uri}: the checkpoint of the newest version is not complete, so older log entries were kept: {why}. Free "
        "disk space or check permissions, then run again."
    )


def _checkpoint_fault(spark: SparkSession, uri: str, newest: Any) -> str:
    """Why a version cannot be read from its checkpoint alone; empty when it can."""
    version = int(newest.version())
    listed = [f for f in files.walk(spark, f"{uri}/_delta_log") if f.name.startswith(f"{version:020d}.checkpoint")]
    try:
        groups = _complete(listed)
        return next(filter(None, (_difference(spark, group, newest) for group in groups)), "")
    except (ValueError, Py4JError, PySparkException) as error:
        return first_line(error)


def _complete(listed: Iterable[LandedFile]) -> list[list[str]]:
    """The checkpoints among some files, each as the URIs of its parts. Raises ValueError unless all are complete."""
    by_parts: dict[int, list[str]] = {}
    for file in listed:
        name = CHECKPOINT.fullmatch(file.name)
        if not name or not file.size:
            raise ValueError(f"{file.name} is not a Parquet checkpoint")
        by_parts.setdefault(int(name["parts"] or 1), []).append(file.uri)
    if not by_parts or any(len(uris) != parts for parts, uris in by_parts.items()):
        raise ValueError("it does not exist, or a part is missing")
    return list(by_parts.values())


def _difference(spark: SparkSession, uris: list[str], newest: Any) -> str:
    """How a checkpoint differs from the snapshot in memory; empty when it does not."""
    rows = spark.read.parquet(*[glob_escape(uri) for uri in uris])
    if _header(rows) != _expected_header(spark, newest):
        return "it has a different schema, protocol or table id"
    live = DataFrame(newest.allFiles().toDF(), spark)
    if _content(rows.where("add IS NOT NULL").select("add.*")) != _content(live):
        return "it lists different files"
    return ""


def _header(rows: DataFrame) -> list[tuple[Any, ...]]:
    """(reader, writer, features) and (table id, schema, partition columns, properties) of a checkpoint's rows."""
    actions = rows.where("protocol IS NOT NULL OR metaData IS NOT NULL").select(
        F.to_json("protocol").alias("protocol"), F.to_json("metaData").alias("metadata")
    )
    header = []
    for row in actions.collect():
        protocol, metadata = json.loads(row["protocol"] or "{}"), json.loads(row["metadata"] or "{}")
        header.append(_protocol(protocol) if protocol else _metadata(metadata))
    return sorted(header, key=len)


def _protocol(action: dict[str, Any]) -> tuple[Any, ...]:
    features = sorted({*(action.get("readerFeatures") or []), *(action.get("writerFeatures") or [])})
    return int(action["minReaderVersion"]), int(action["minWriterVersion"]), features


def _metadata(action: dict[str, Any]) -> tuple[Any, ...]:
    properties = sorted((action.get("configuration") or {}).items())
    return action["id"], action["schemaString"], action.get("partitionColumns") or [], properties


def _expected_header(spark: SparkSession, newest: Any) -> list[tuple[Any, ...]]:
    """The header of the snapshot in memory, in the form of `_header`."""
    protocol, metadata = newest.protocol(), newest.metadata()
    features = sorted({str(f) for f in as_list(spark, protocol.readerAndWriterFeatureNames().toSeq())})
    properties = sorted(as_dict(spark, metadata.configuration()).items())
    columns = [str(c) for c in as_list(spark, metadata.partitionColumns())]
    return [
        (int(protocol.minReaderVersion()), int(protocol.minWriterVersion()), features),
        (str(metadata.id()), str(metadata.schemaString()), columns, properties),
    ]


def _content(log_files: DataFrame) -> tuple[int, int]:
    """(number, sum of hashes) of the files that a log lists. The sum does not depend on their order."""
    hashed = F.xxhash64(*[F.col(name) for name in FILE_COLUMNS]).cast("decimal(38,0)")
    row = log_files.agg(F.count("*").alias("files"), F.sum(hashed).alias("hash")).collect()[0]
    return int(row["files"]), int(row["hash"] or 0)


def _remove_old_hint(spark: SparkSession, uri: str, version: int) -> None:
    """Remove Delta's hint file when it names an earlier checkpoint or cannot be read. Delta then lists the log."""
    hint = f"{uri}/_delta_log/{HINT}"
    if not files.exists(spark, hint):
        return
    try:
        hinted = int(json.loads(documents.read(spark, hint) or "")["version"])
    except (ValueError, KeyError, TypeError, Py4JError):
        hinted = -1
    if hinted < version:
        files.delete(spark, hint)
