"""Operations on whole Delta tables: create, read at a version, and lock and label commits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from etl.engine.spark import files, locks
from etl.engine.spark.jvm import as_dict, jvm, none
from etl.errors import ConflictError

HISTORY_PROPERTIES = dict.fromkeys(
    ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration"), "interval 2 days"
)
"""Table properties that bound how long a log keeps removed files: its statistics hold ids of rows that are gone."""
STATISTICS = "delta.dataSkippingStatsColumns"
"""Table property: the columns that have statistics in the log."""
METADATA = "spark.databricks.delta.commitInfo.userMetadata"
FILES_IN_CHECKSUM = "spark.databricks.delta.allFilesInCrc.enabled"
LOCK_MINUTES = "spark.feedetl.lock.minutes"  # our own key in the session's conf; Spark does not know it
CONFLICT = re.compile("Concurrent|MetadataChanged|ProtocolChanged")  # in the class names of Delta's exceptions
DROPPED_BLOCK = re.compile(r"Block rdd_\d+_\d+ does not exist")
"""The error of a task that reads a version's file list while another run publishes a newer version.

Delta then drops the cached list of the older version. Spark does not retry tasks in local mode, so the job fails.
"""


def _log(spark: SparkSession, uri: str) -> Any:
    return jvm(spark, "org.apache.spark.sql.delta.DeltaLog").forTable(spark._jsparkSession, uri)


def forget_snapshots(spark: SparkSession) -> None:
    """Drop every snapshot that this process keeps in memory, so that the logs on disk are read again."""
    jvm(spark, "org.apache.spark.sql.delta.DeltaLog").clearCache()


def snapshot(spark: SparkSession, uri: str, version: int | None = None) -> Any:
    """Delta's snapshot (a JVM object) of a version; by default of the newest published version."""
    log = _log(spark, uri)
    if version is None:
        return log.update(False, none(spark), none(spark))
    return log.getSnapshotAt(version, none(spark), none(spark), False)


def is_table(spark: SparkSession, uri: str) -> bool:
    """Whether the URI is a Delta table."""
    return bool(_log(spark, uri).tableExists())


@retry(
    retry=retry_if_exception_type((Py4JJavaError, PySparkException)),
    wait=wait_random_exponential(multiplier=0.2, max=2),
    stop=stop_after_attempt(6),
    reraise=True,
)
def create(spark: SparkSession, uri: str, definition: str) -> None:
    """Create a table if it does not exist. When several runs do this at once, one creates it and the others use it.

    The list of files in the checksum of a commit begins with the next commit: for an empty table it would cost a job.
    """
    creator = spark.newSession()
    creator.conf.set(FILES_IN_CHECKSUM, "false")
    with commit_lock(uri, lock_minutes(spark)):
        creator.sql(f"CREATE TABLE IF NOT EXISTS delta.`{uri}` {definition}")


def current_version(spark: SparkSession, uri: str) -> int:
    """The newest published version."""
    return int(snapshot(spark, uri).version())


def identity(spark: SparkSession, uri: str) -> tuple[int, str]:
    """(newest version, table id). A table that was removed and created again has another id and starts at version 0."""
    newest = snapshot(spark, uri)
    return int(newest.version()), str(newest.metadata().id())


def table_id(spark: SparkSession, uri: str) -> str:
    """The id that Delta gave the table when it was created."""
    return identity(spark, uri)[1]


def properties(spark: SparkSession, uri: str) -> dict[str, str]:
    """The table properties of the newest version."""
    return as_dict(spark, snapshot(spark, uri).metadata().configuration())


@dataclass(frozen=True)
class Metadata:
    """What the log says about a table: its columns, its partition columns, and its properties."""

    schema: StructType
    partition: tuple[str, ...]
    properties: dict[str, str]


def metadata(spark: SparkSession, uri: str) -> Metadata:
    """The metadata of the newest version, in one call of the JVM. Its schema knows which columns are NOT NULL."""
    found = json.loads(snapshot(spark, uri).metadata().json())["metaData"]
    schema = StructType.fromJson(json.loads(found["schemaString"]))
    return Metadata(schema, tuple(found["partitionColumns"]), found["configuration"])


def read(spark: SparkSession, uri: str, version: int | None = None) -> DataFrame:
    """The rows of the newest published version, or of the given version."""
    reader = spark.read.format("delta")
    return (reader if version is None else reader.option("versionAsOf", version)).load(uri)


def number_of_files(spark: SparkSession, uri: str) -> int:
    """Number of data files of the newest version. It comes from the version's checksum file when there is one."""
    newest = snapshot(spark, uri)
    checksum = newest.checksumOpt()
    return int(checksum.get().numFiles() if checksum.isDefined() else newest.numOfFiles())


def has_no_files(at_version: Any) -> bool:
    """Whether a snapshot's checksum file says that it has no data files.

    False when there is no checksum file: to find out would cost a Spark job.
    """
    checksum = at_version.checksumOpt()
    return bool(checksum.isDefined() and checksum.get().numFiles() == 0)


def remove_old_checksum(spark: SparkSession, uri: str, version: int) -> None:
    """Remove the checksum file of a version that is not committed yet.

    A log that lost its newest commits, after a restore for example, may still have their checksums. Delta does not
    replace such a file, and readers would take its list of files for that of the new commit.
    """
    checksum = f"{uri}/_delta_log/{version:020}.crc"
    if files.exists(spark, checksum):
        files.delete(spark, checksum)


def live_files(spark: SparkSession, uri: str) -> DataFrame:
    """The log's entries for the files of the newest version: path, partitionValues, size, stats, deletionVector."""
    return DataFrame(snapshot(spark, uri).allFiles().toDF(), spark)


def live_and_removed_files(spark: SparkSession, uri: str) -> tuple[DataFrame, DataFrame]:
    """The live files, and the removed files (path, deletionTimestamp) that the log still has, of one version.

    From two versions, a file that is published or removed meanwhile could be in neither.
    """
    newest = snapshot(spark, uri)
    removed = DataFrame(newest.tombstones().toDF(), spark).select("path", "deletionTimestamp")
    return DataFrame(newest.allFiles().toDF(), spark), removed


def is_empty(spark: SparkSession, uri: str) -> bool:
    """Whether the newest version is known to have no data files."""
    return has_no_files(snapshot(spark, uri))


def partitions(spark: SparkSession, uri: str, column: str) -> dict[str, tuple[int, str]]:
    """Partition value -> (number of rows, fingerprint), from the log alone.

    The fingerprint changes with every change to the files or deletion vectors of the partition.
    """
    live = live_files(spark, uri)
    deleted = F.coalesce("deletionVector.cardinality", F.lit(0))
    rows = F.coalesce(F.get_json_object("stats", "$.numRecords").cast("bigint"), F.lit(0)) - deleted
    name = F.concat("path", F.coalesce("deletionVector.pathOrInlineDv", F.lit("")), deleted)
    fingerprint = F.md5(F.array_join(F.sort_array(F.collect_list(name)), " "))
    by_value = live.groupBy(F.col("partitionValues")[column].alias("value")).agg(
        F.sum(rows).alias("rows"), fingerprint.alias("fingerprint")
    )
    return {r["value"]: (r["rows"], r["fingerprint"]) for r in by_value.collect()}


def activate(spark: SparkSession) -> None:
    """Make this the active session of the current thread: Delta's transactions run in it."""
    jvm(spark, "org.apache.spark.sql.classic.SparkSession").setActiveSession(spark._jsparkSession)


@contextmanager
def commit_lock(uri: str, minutes: float = locks.MINUTES) -> Iterator[None]:
    """Hold the commit lock of a local table: no other process on this machine can commit to it at the same time.

    The lock ends with its process, so a killed process does not block the table. Raises ConflictError when another
    process has held the lock for `minutes`.

    Why: to detect that a version exists already, Delta relies on a rename that fails. A rename on a local file system
    overwrites instead, so two processes could commit the same version and one commit would be lost.
    """
    if not uri.startswith("file:"):
        yield
        return
    table = files.local_folder(uri)
    table.parent.mkdir(parents=True, exist_ok=True)
    with locks.held(table.with_name(f".{table.name}.commit-lock"), minutes):
        yield


def lock_minutes(spark: SparkSession) -> float:
    """Minutes that a session waits for the commit lock of another process."""
    return float(spark.conf.get(LOCK_MINUTES, str(locks.MINUTES)) or locks.MINUTES)


@contextmanager
def commit_metadata(spark: SparkSession, uri: str, metadata: str) -> Iterator[None]:
    """Hold the commit lock and add this text to the commits made inside the block.

    The next run reads the text of a killed run's commits to add the rows that are missing in the ledger.
    """
    spark.conf.set(METADATA, metadata)
    try:
        with commit_lock(uri, lock_minutes(spark)):
            yield
    finally:
        spark.conf.set(METADATA, "")


@contextmanager
def translate_conflicts(what: str) -> Iterator[None]:
    """Raise ConflictError in place of what Delta and Spark raise when another run changed a table in the meantime.

    Delta's exception is a Py4JJavaError, or a Python exception when the Python package `delta` was imported.
    """
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        if not CONFLICT.search(_class_name(error)) and not DROPPED_BLOCK.search(str(error)):
            raise
        raise ConflictError(f"Another run changed {what} at the same time. Run again.") from error


def _class_name(error: Py4JJavaError | PySparkException) -> str:
    """The class name of the exception, from Java or Python."""
    if isinstance(error, Py4JJavaError):
        return str(error.java_exception.getClass().getName())
    return type(error).__name__
