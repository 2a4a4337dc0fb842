"""Delta tables as a whole: made, read at a version, their files as the log names them, and how commits get along."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from etl.engine.spark import files, locks
from etl.engine.spark.jvm import as_dict, as_seq, jvm, none
from etl.errors import ConflictError

LISTINGS = 64  # remembered
METADATA = "spark.databricks.delta.commitInfo.userMetadata"
LOCK_MINUTES = "spark.feedetl.lock.minutes"  # a session's; not one of Spark's own
CONFLICT = re.compile("Concurrent|MetadataChanged|ProtocolChanged")  # in the names of Delta's exceptions
DROPPED = re.compile(r"Block rdd_\d+_\d+ does not exist")
"""Of a task that was reading a version's list of files when a newer version came: Delta drops the list of the older
one, and Spark, where it does not try a task again (on one machine), fails the job."""


def _log(spark: SparkSession, uri: str) -> Any:
    return jvm(spark, "org.apache.spark.sql.delta.DeltaLog").forTable(spark._jsparkSession, uri)


def snapshot(spark: SparkSession, uri: str, version: int | None = None) -> Any:
    """A version as Delta has it (an object of the JVM), the newest published one where none is given."""
    log = _log(spark, uri)
    if version is None:
        return log.update(False, none(spark), none(spark))
    return log.getSnapshotAt(version, none(spark), none(spark), False)


def is_table(spark: SparkSession, uri: str) -> bool:
    """Whether a Delta table is at the URI."""
    return bool(_log(spark, uri).tableExists())


@retry(
    retry=retry_if_exception_type((Py4JJavaError, PySparkException)),
    wait=wait_random_exponential(multiplier=0.2, max=2),
    stop=stop_after_attempt(6),
    reraise=True,
)
def create(spark: SparkSession, uri: str, definition: str) -> None:
    """Make a table unless it is there. Of several runs that make it at once one does, and the others find it."""
    with commit_lock(uri, lock_minutes(spark)):
        spark.sql(f"CREATE TABLE IF NOT EXISTS delta.`{uri}` {definition}")


def current_version(spark: SparkSession, uri: str) -> int:
    """The newest published version."""
    return int(snapshot(spark, uri).version())


def identity(spark: SparkSession, uri: str) -> tuple[int, str]:
    """The newest version and the id Delta gave the table. One made anew has another id, and versions from 0."""
    newest = snapshot(spark, uri)
    return int(newest.version()), str(newest.metadata().id())


def table_id(spark: SparkSession, uri: str) -> str:
    """The id Delta gave the table when it was made."""
    return identity(spark, uri)[1]


def properties(spark: SparkSession, uri: str) -> dict[str, str]:
    """What the newest version says of itself beside its columns."""
    return as_dict(spark, snapshot(spark, uri).metadata().configuration())


def read(spark: SparkSession, uri: str, version: int | None = None) -> DataFrame:
    """The table as published, or as of a version."""
    reader = spark.read.format("delta")
    return (reader if version is None else reader.option("versionAsOf", version)).load(uri)


@dataclass(frozen=True)
class Listing:
    """Files of one version of a table, as its log named them: objects of the JVM."""

    snapshot: Any
    files: Any

    def frame(self, spark: SparkSession) -> DataFrame:
        """Their rows; the log is not asked again when a query on them is planned, as for a table it is each time."""
        found = self.snapshot.deltaLog().createDataFrame(self.snapshot, self.files, False, none(spark))
        return DataFrame(found, spark)


def listing(spark: SparkSession, uri: str, version: int, predicate: str) -> Listing:
    """The files of a version that match a partition predicate."""
    of = snapshot(spark, uri, version)
    if has_no_files(of):
        return Listing(of, as_seq(spark, []))
    return Listing(of, of.filesForScan(filters(spark, of, predicate), False).files())


def cached_listing(spark: SparkSession) -> Callable[[str, int, str], Listing]:
    """`listing`, the last answers remembered: of a run of many hours most are not asked for again."""
    return lru_cache(LISTINGS)(partial(listing, spark))


def number_of_files(spark: SparkSession, uri: str) -> int:
    """Files of the newest version, by the checksum that came with its commit where there is one."""
    newest = snapshot(spark, uri)
    checksum = newest.checksumOpt()
    return int(checksum.get().numFiles() if checksum.isDefined() else newest.numOfFiles())


def has_no_files(of: Any) -> bool:
    """Whether a snapshot has no file, by the checksum that came with its commit: else a job would look for them."""
    checksum = of.checksumOpt()
    return bool(checksum.isDefined() and checksum.get().numFiles() == 0)


def filters(spark: SparkSession, of: Any, predicate: str) -> Any:
    """A partition predicate as methods of a snapshot take it."""
    rows = Listing(of, as_seq(spark, [])).frame(spark).where(predicate)
    return as_seq(spark, [rows._jdf.queryExecution().analyzed().condition()])


def live_files(spark: SparkSession, uri: str) -> DataFrame:
    """The files of the newest version as the log knows them: path, partitionValues, size, stats, deletionVector."""
    return DataFrame(snapshot(spark, uri).allFiles().toDF(), spark)


def partitions(spark: SparkSession, uri: str, column: str) -> dict[str, tuple[int, str]]:
    """Partition value -> (rows, mark) from the log alone. The mark changes with every change to the partition."""
    live = live_files(spark, uri)
    deleted = F.coalesce("deletionVector.cardinality", F.lit(0))
    rows = F.coalesce(F.get_json_object("stats", "$.numRecords").cast("bigint"), F.lit(0)) - deleted
    name = F.concat("path", F.coalesce("deletionVector.pathOrInlineDv", F.lit("")), deleted)
    found = live.groupBy(F.col("partitionValues")[column].alias("value")).agg(
        F.sum(rows).alias("rows"), F.md5(F.array_join(F.sort_array(F.collect_list(name)), " ")).alias("mark")
    )
    return {r["value"]: (r["rows"], r["mark"]) for r in found.collect()}


def activate(spark: SparkSession) -> None:
    """Make a session the one Delta's transactions of this thread run in."""
    jvm(spark, "org.apache.spark.sql.classic.SparkSession").setActiveSession(spark._jsparkSession)


@contextmanager
def commit_lock(uri: str, minutes: float = locks.MINUTES) -> Iterator[None]:
    """No other process of this machine commits to the table meanwhile; one that was killed is in nobody's way.

    Raises ConflictError when another process has not ended its commit for that many minutes.

    Delta takes a rename for a refusal when the version is there. That of a local file system is none: of two processes
    that commit the same version both would win, and one commit be gone.
    """
    if not uri.startswith("file:"):
        yield
        return
    table = files.local_folder(uri)
    table.parent.mkdir(parents=True, exist_ok=True)
    with locks.held(table.with_name(f".{table.name}.commit-lock"), minutes):
        yield


def lock_minutes(spark: SparkSession) -> float:
    """How long a session waits for another process's commit."""
    return float(spark.conf.get(LOCK_MINUTES, str(locks.MINUTES)) or locks.MINUTES)


@contextmanager
def commit_metadata(spark: SparkSession, uri: str, metadata: str) -> Iterator[None]:
    """Commits to a table made inside carry this text, those after do not: a killed run is recovered from it."""
    spark.conf.set(METADATA, metadata)
    try:
        with commit_lock(uri, lock_minutes(spark)):
            yield
    finally:
        spark.conf.set(METADATA, "")


@contextmanager
def translate_conflicts(what: str) -> Iterator[None]:
    """A ConflictError for what Delta and Spark raise when another run got in between.

    It comes as what the JVM threw, or as an exception of Python's once anything has imported Delta's Python package.
    """
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        if not CONFLICT.search(_name(error)) and not DROPPED.search(str(error)):
            raise
        raise ConflictError(f"Another run changed {what} meanwhile; run again.") from error


def _name(error: Py4JJavaError | PySparkException) -> str:
    """The name of the class that was thrown."""
    if isinstance(error, Py4JJavaError):
        return str(error.java_exception.getClass().getName())
    return type(error).__name__
