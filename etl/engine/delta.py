"""Delta transactions whose files are written first and become visible only at commit.

`stage` writes Parquet into the table's folder without a log entry: no reader sees it, the gate can read it, and
`commit` makes it part of the table without writing a row twice. A killed run leaves files that VACUUM removes.
The calls are those that Delta's own DELETE and INSERT make; see docs/decisions/0001-publish.md.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from filelock import FileLock
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from etl.engine import files
from etl.engine.files import jvm
from etl.errors import ConflictError

CONVERTERS = "scala.jdk.javaapi.CollectionConverters"
LISTINGS = 64
METADATA = "spark.databricks.delta.commitInfo.userMetadata"
CONFLICT = re.compile("Concurrent|MetadataChanged|ProtocolChanged")  # in the names of Delta's exceptions
DROPPED = re.compile(r"Block rdd_\d+_\d+ does not exist")
"""Of a task that was reading a version's list of files when a newer version came: Delta drops the list of the older
one, and Spark, where it does not try a task again (on one machine), fails the job."""


def _delta_log(spark: SparkSession, uri: str) -> Any:
    return jvm(spark, "org.apache.spark.sql.delta.DeltaLog").forTable(spark._jsparkSession, uri)


def is_table(spark: SparkSession, uri: str) -> bool:
    """Whether a Delta table is at the URI."""
    return bool(_delta_log(spark, uri).tableExists())


@retry(
    retry=retry_if_exception_type((Py4JJavaError, PySparkException)),
    wait=wait_random_exponential(multiplier=0.2, max=2),
    stop=stop_after_attempt(6),
    reraise=True,
)
def create(spark: SparkSession, uri: str, definition: str) -> None:
    """Make a table unless it is there. Of several runs that make it at once one does, and the others find it."""
    with alone(uri):
        spark.sql(f"CREATE TABLE IF NOT EXISTS delta.`{uri}` {definition}")


def current_version(spark: SparkSession, uri: str) -> int:
    """The newest published version."""
    return int(_delta_log(spark, uri).update(False, _none(spark), _none(spark)).version())


def properties(spark: SparkSession, uri: str) -> dict[str, str]:
    """What the newest version says of itself beside its columns."""
    said = _delta_log(spark, uri).update(False, _none(spark), _none(spark)).metadata().configuration()
    return dict(jvm(spark, CONVERTERS).asJava(said))


def read(spark: SparkSession, uri: str, version: int | None = None) -> DataFrame:
    """The table as published, or as of a version."""
    reader = spark.read.format("delta")
    return (reader if version is None else reader.option("versionAsOf", version)).load(uri)


@dataclass(frozen=True)
class Listing:
    """Files of one version of a table, as its log named them: objects of the JVM."""

    log: Any
    snapshot: Any
    files: Any

    def frame(self, spark: SparkSession) -> DataFrame:
        """Their rows; the log is not asked again when a query on them is planned, as for a table it is each time."""
        return DataFrame(self.log.createDataFrame(self.snapshot, self.files, False, _none(spark)), spark)


def listing(spark: SparkSession, uri: str, version: int, predicate: str = "true") -> Listing:
    """The files of a version that match a partition predicate."""
    log = _delta_log(spark, uri)
    snapshot = log.getSnapshotAt(version, _none(spark), _none(spark), False)
    nothing = Listing(log, snapshot, _seq(spark, []))
    if _holds_nothing(snapshot):
        return nothing
    found = snapshot.filesForScan(_seq(spark, [_condition(nothing.frame(spark), predicate)]), False).files()
    return replace(nothing, files=found)


def listings(spark: SparkSession) -> Callable[[str, int, str], Listing]:
    """`listing`, the last answers remembered: of a run of many hours most are not asked for again."""
    return lru_cache(LISTINGS)(partial(listing, spark))


def _holds_nothing(snapshot: Any) -> bool:
    """Whether a version has no file, by the checksum that came with its commit: else a job would look for them."""
    checksum = snapshot.checksumOpt()
    return bool(checksum.isDefined() and checksum.get().numFiles() == 0)


def _condition(rows: DataFrame, predicate: str) -> Any:
    """A predicate as the JVM's expression on these rows."""
    return rows.where(predicate)._jdf.queryExecution().analyzed().condition()


def _seq(spark: SparkSession, items: list[Any]) -> Any:
    return jvm(spark, CONVERTERS).asScala(items).toSeq()


def live_files(spark: SparkSession, uri: str) -> DataFrame:
    """The files of the newest version as the log knows them: path, partitionValues, size, stats, deletionVector."""
    return DataFrame(_delta_log(spark, uri).update(False, _none(spark), _none(spark)).allFiles().toDF(), spark)


def removed_files(spark: SparkSession, uri: str) -> DataFrame:
    """Files of earlier versions that the log still remembers: path, deletionTimestamp (ms)."""
    return DataFrame(_delta_log(spark, uri).update(False, _none(spark), _none(spark)).tombstones().toDF(), spark)


def forget_versions(spark: SparkSession, uri: str) -> int:
    """Leave the log of the newest version only: statistics of earlier ones hold values of rows. Returns files removed.

    Earlier versions cannot be read any more, whatever files they had.
    """
    log = _delta_log(spark, uri)
    version = int(log.update(False, _none(spark), _none(spark)).version())
    log.checkpoint()
    old = [f for f in files.walk(spark, f"{uri}/_delta_log") if f.name[:20].isdecimal() and int(f.name[:20]) < version]
    for file in old:
        files.delete(spark, file.uri)
    return len(old)


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


def _none(spark: SparkSession) -> Any:
    return jvm(spark, "scala.Option").empty()


def activate(spark: SparkSession) -> None:
    """Make a session the one Delta's transactions of this thread run in."""
    jvm(spark, "org.apache.spark.sql.classic.SparkSession").setActiveSession(spark._jsparkSession)


@contextmanager
def alone(uri: str) -> Iterator[None]:
    """No other process of this machine commits to the table meanwhile; one that was killed is in nobody's way.

    Delta takes a rename for a refusal when the version is there. That of a local file system is none: of two processes
    that commit the same version both would win, and one commit be gone.
    """
    if not uri.startswith("file:"):
        yield
        return
    table = files.local_folder(uri)
    table.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(table.with_name(f".{table.name}.commit-lock")):
        yield


@contextmanager
def signed(spark: SparkSession, uri: str, metadata: str) -> Iterator[None]:
    """Commits to a table made inside carry this text, those after do not: a killed run is recovered from it."""
    spark.conf.set(METADATA, metadata)
    try:
        with alone(uri):
            yield
    finally:
        spark.conf.set(METADATA, "")


@contextmanager
def conflicts(what: str) -> Iterator[None]:
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


class Transaction:
    """One optimistic transaction on one table: read a version, stage files, commit or walk away.

    Begun on an earlier `version`, it conflicts with what was published since, as if it had begun then.
    """

    def __init__(self, spark: SparkSession, uri: str, version: int | None = None) -> None:
        self.spark, self.uri = spark, uri
        self._log = _delta_log(spark, uri)
        snapshot = self._log.update(False, _none(spark), _none(spark))
        if version is not None and version != snapshot.version():
            snapshot = self._log.getSnapshotAt(version, _none(spark), _none(spark), False)
        self._txn = self._log.startTransaction(_none(spark), jvm(spark, "scala.Option").apply(snapshot))
        self._adds: list[Any] = []
        self._removes: list[Any] = []
        self._watched, self._as_read = "", set[str]()
        self.task_rows: dict[str, int] = {}
        self.stage_seconds = 0.0

    @property
    def version(self) -> int:
        return int(self._txn.readVersion())

    def read(self, predicate: str) -> DataFrame:
        """Rows of the version read that match a partition predicate; a concurrent change to them is a conflict."""
        return self._frame(self._matching(predicate))

    def stage(self, rows: DataFrame) -> DataFrame:
        """Write rows as files nobody sees yet; returns them as read back from those files."""
        started = time.monotonic()
        written = self._txn.writeFiles(rows._jdf)
        self._adds = self._list(written)
        self.stage_seconds = time.monotonic() - started
        self.task_rows = _rows_by_task(self._adds)
        return self._frame(written)

    def take(self, predicate: str) -> DataFrame | None:
        """Rows of every file that holds a matching row; these files go at commit. None when there is no such file."""
        matching = self._matching(predicate)
        holding = self._frame(matching).where(predicate).select(F.col("_metadata.file_name").alias("name")).distinct()
        names = {row["name"] for row in holding.collect()}
        found = [f for f in self._list(matching) if f.path().rsplit("/", 1)[-1] in names]
        self._removes = [f.removeWithTimestamp(int(time.time() * 1000), True) for f in found]
        return self._frame(_seq(self.spark, found)) if found else None

    def keep(self, partitions: set[str], column: str) -> None:
        """Of the staged files keep those whose value of a partition column is wanted."""
        self._adds = [a for a in self._adds if a.partitionValues().apply(column) in partitions]

    def remove(self, predicate: str) -> None:
        """Take every file that matches a partition predicate out of the table at commit."""
        stamp = int(time.time() * 1000)
        self._removes = [f.removeWithTimestamp(stamp, True) for f in self._files(predicate)]

    def watch(self, predicate: str) -> None:
        """What matches a partition predicate stays as it is; a concurrent change to it is a conflict."""
        self._watched, self._as_read = predicate, self._paths(predicate)

    def refuse_changed(self) -> None:
        """Raises ConflictError when what is watched has changed: for who commits nothing, or in another way."""
        if not self._watched:
            return
        now = Transaction(self.spark, self.uri)
        if now.version != self.version and now._paths(self._watched) != self._as_read:
            raise ConflictError(f"Another run changed {self.uri} meanwhile; run again.")

    def commit(self, metadata: str) -> int:
        """Publish atomically. Raises ConflictError when someone else changed what was read."""
        actions = _seq(self.spark, self._adds + self._removes)
        with conflicts(self.uri), signed(self.spark, self.uri, metadata):
            return int(self._txn.commit(actions, self._operation()))

    @property
    def is_empty(self) -> bool:
        return not self._adds and not self._removes

    def _operation(self) -> Any:
        """A write, to Delta: it then derives the new state from the old one, and reads no log again after a commit."""
        write = jvm(self.spark, "org.apache.spark.sql.delta.DeltaOperations$Write")
        mode = jvm(self.spark, "org.apache.spark.sql.SaveMode")
        unsaid = [_none(self.spark)] * 8
        return write(mode.Overwrite if self._removes else mode.Append, *unsaid)

    def _files(self, predicate: str) -> list[Any]:
        return self._list(self._matching(predicate))

    def _matching(self, predicate: str) -> Any:
        """Files of the version read; a concurrent change to them, or to none of them, is a conflict."""
        nothing = _seq(self.spark, [])
        filters = _seq(self.spark, [_condition(self._frame(nothing), predicate)])
        if not _holds_nothing(self._txn.snapshot()):
            return self._txn.filterFiles(filters, False)
        self._txn.trackReadPredicates(filters, False, True)  # as `filterFiles` does
        return nothing

    def _paths(self, predicate: str) -> set[str]:
        return {str(f.path()) for f in self._files(predicate)}

    def _frame(self, adds: Any) -> DataFrame:
        return Listing(self._log, self._txn.snapshot(), adds).frame(self.spark)

    def _list(self, adds: Any) -> list[Any]:
        return list(jvm(self.spark, CONVERTERS).asJava(adds))


def _rows_by_task(adds: list[Any]) -> dict[str, int]:
    """Rows each task wrote, by the task's number, which begins the name of its files (`part-00003-...`)."""
    found: dict[str, int] = {}
    for add in adds:
        task = str(add.path()).rsplit("/", 1)[-1].split("-")[1]
        found[task] = found.get(task, 0) + int(json.loads(add.stats() or "{}").get("numRecords", 0))
    return found
