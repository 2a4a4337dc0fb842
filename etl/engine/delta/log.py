"""Removes old entries of a Delta log, once the newest version was read back from its checkpoint without them.

Delta's `checkpoint()` logs a failure and goes on, so the checkpoint is not trusted: it is read from the disk and
compared with what Delta has in memory. Entries go oldest first: whatever stops the removal, the table is readable.
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
HINT = "_last_checkpoint"  # where Delta begins to look for the newest checkpoint
FILE = ("path", "size", "deletionVector.storageType", "deletionVector.pathOrInlineDv", "deletionVector.cardinality")


def forget_versions(spark: SparkSession, uri: str) -> int:
    """Leave the log of the newest version only: statistics of earlier ones hold values of rows. Returns files removed.

    Earlier versions cannot be read any more, whatever files they had. Raises LakeError, and removes nothing, when
    the newest version cannot be read without them.
    """
    newest = delta.snapshot(spark, uri)
    old = _older(spark, uri, int(newest.version()))
    if old:
        _secure(spark, uri, newest)
        for file in old:
            files.delete(spark, file.uri)
    return len(old)


def _older(spark: SparkSession, uri: str, version: int) -> list[LandedFile]:
    """Entries, checksums and checkpoints of earlier versions, oldest first."""
    found = [f for f in files.walk(spark, f"{uri}/_delta_log") if f.name[:20].isdecimal()]
    return sorted((f for f in found if int(f.name[:20]) < version), key=lambda f: f.name)


def _secure(spark: SparkSession, uri: str, newest: Any) -> None:
    """See to it that a version has a checkpoint that holds all of it, and that nothing leads to an earlier one."""
    if _doubt(spark, uri, newest):
        try:
            newest.deltaLog().checkpoint(newest, none(spark))
        except Py4JError as error:
            raise _refused(uri, first_line(error)) from error
        if doubt := _doubt(spark, uri, newest):
            raise _refused(uri, doubt)
    _drop_hint(spark, uri, int(newest.version()))


def _refused(uri: str, why: str) -> LakeError:
    return LakeError(f"{uri}: the log before the newest version stays, since its checkpoint is not whole: {why}.")


def _doubt(spark: SparkSession, uri: str, newest: Any) -> str:
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
    found: dict[int, list[str]] = {}
    for file in listed:
        name = CHECKPOINT.fullmatch(file.name)
        if not name or not file.size:
            raise ValueError(f"{file.name} is no checkpoint in Parquet")
        found.setdefault(int(name["parts"] or 1), []).append(file.uri)
    if not found or any(len(uris) != parts for parts, uris in found.items()):
        raise ValueError("it is not there, or lacks a part")
    return list(found.values())


def _difference(spark: SparkSession, uris: list[str], newest: Any) -> str:
    """What a checkpoint says otherwise than the version in memory; empty when nothing."""
    rows = spark.read.parquet(*[glob_escape(uri) for uri in uris])
    if _header(rows) != _expected_header(spark, newest):
        return "it has another schema, protocol or table id"
    live = DataFrame(newest.allFiles().toDF(), spark)
    if _content(rows.where("add IS NOT NULL").select("add.*")) != _content(live):
        return "it names other files"
    return ""


def _header(rows: DataFrame) -> list[tuple[Any, ...]]:
    """(reader, writer, features) and (table id, schema, partition columns, properties), as a checkpoint has them."""
    found = rows.where("protocol IS NOT NULL OR metaData IS NOT NULL").select(
        F.to_json("protocol").alias("protocol"), F.to_json("metaData").alias("metadata")
    )
    header = []
    for row in found.collect():
        protocol, metadata = json.loads(row["protocol"] or "{}"), json.loads(row["metadata"] or "{}")
        header.append(_protocol(protocol) if protocol else _metadata(metadata))
    return sorted(header, key=len)


def _protocol(said: dict[str, Any]) -> tuple[Any, ...]:
    features = sorted({*(said.get("readerFeatures") or []), *(said.get("writerFeatures") or [])})
    return int(said["minReaderVersion"]), int(said["minWriterVersion"]), features


def _metadata(said: dict[str, Any]) -> tuple[Any, ...]:
    properties = sorted((said.get("configuration") or {}).items())
    return said["id"], said["schemaString"], said.get("partitionColumns") or [], properties


def _expected_header(spark: SparkSession, newest: Any) -> list[tuple[Any, ...]]:
    """The same of a version in memory."""
    protocol, metadata = newest.protocol(), newest.metadata()
    features = sorted({str(f) for f in as_list(spark, protocol.readerAndWriterFeatureNames().toSeq())})
    properties = sorted(as_dict(spark, metadata.configuration()).items())
    columns = [str(c) for c in as_list(spark, metadata.partitionColumns())]
    return [
        (int(protocol.minReaderVersion()), int(protocol.minWriterVersion()), features),
        (str(metadata.id()), str(metadata.schemaString()), columns, properties),
    ]


def _content(found: DataFrame) -> tuple[int, int]:
    """Number and order-independent sum of hashes of the files that a log names."""
    hashed = F.xxhash64(*[F.col(name) for name in FILE]).cast("decimal(38,0)")
    row = found.agg(F.count("*").alias("files"), F.sum(hashed).alias("hash")).collect()[0]
    return int(row["files"]), int(row["hash"] or 0)


def _drop_hint(spark: SparkSession, uri: str, version: int) -> None:
    """Remove Delta's hint when it names an earlier checkpoint or cannot be read: the log is then listed instead."""
    hint = f"{uri}/_delta_log/{HINT}"
    if not files.exists(spark, hint):
        return
    try:
        named = int(json.loads(documents.read(spark, hint) or "")["version"])
    except (ValueError, KeyError, TypeError, Py4JError):
        named = -1
    if named < version:
        files.delete(spark, hint)
