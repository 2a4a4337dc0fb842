"""Write-audit-publish on one Delta table: stage files, read them for the audit, then publish them in one commit.

`stage` writes Parquet files into the table's folder without a log entry. Readers do not see them; the gate reads them
through the transaction. `commit` adds them to the table, so no row is written twice. When a run is killed in between,
the next run removes its staged files (`etl.engine.delta.staged`).
The calls are those that Delta's own DELETE and INSERT make; see docs/decisions/0001-publish.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.engine.delta import listing, staged
from etl.engine.delta import tables as delta
from etl.engine.delta.listing import Listing
from etl.engine.delta.partitions import partition_hour
from etl.engine.spark import files
from etl.engine.spark.jvm import as_dict, as_list, as_map, as_seq, jvm, none, some
from etl.errors import ConflictError
from etl.telemetry import spans

CHECK_STAGED_AFTER = 3600.0  # seconds; a later commit first checks that the staged files still exist


class Transaction:
    """One optimistic transaction on one table: read a version, stage files, then commit or drop the transaction.

    With an earlier `version`, the transaction also conflicts with changes that were published since that version.
    """

    def __init__(self, spark: SparkSession, uri: str, version: int | None = None) -> None:
        self.spark, self.uri = spark, uri
        snapshot = delta.snapshot(spark, uri)
        if version is not None and version != snapshot.version():
            snapshot = delta.snapshot(spark, uri, version)
        self._txn = snapshot.deltaLog().startTransaction(none(spark), some(spark, snapshot))
        self._adds: list[Any] = []
        self._removes: list[Any] = []
        self._watched, self._watched_paths = "", set[str]()
        self._staged_at = time.time()
        self.task_rows: dict[str, int] = {}
        self.stage_seconds = 0.0

    @property
    def version(self) -> int:
        """The table version that this transaction reads."""
        return int(self._txn.readVersion())

    def read(self, predicate: str) -> DataFrame:
        """Rows of the version read that match a partition predicate. A concurrent change to them is a conflict."""
        return self._frame(self._matching(predicate))

    @spans.span("stage")
    def stage(self, rows: DataFrame) -> DataFrame:
        """Write rows to files that are not published yet. Returns the rows as read back from these files."""
        started, self._staged_at = time.monotonic(), time.time()
        self._adds = as_list(self.spark, self._txn.writeFiles(rows._jdf))
        staged.record(self.uri, [str(add.path()) for add in self._adds])
        self.stage_seconds = time.monotonic() - started
        self.task_rows = _rows_by_task(self._adds)
        return self._frame(self._adds)

    def staged_hours(self, column: str) -> set[datetime]:
        """The hours (days) of the staged rows, by the partition column."""
        return {partition_hour(str(add.partitionValues().apply(column))) for add in self._adds}

    def read_for_rewrite(
        self, predicate: str, rows: DataFrame | None = None, by: Sequence[str] = ()
    ) -> DataFrame | None:
        """All rows of every file that has a matching row. The commit removes these files. None when no file has one.

        With `rows`, a row matches only when it equals one of them in the columns `by`.
        """
        candidates = self._matching(predicate)
        matches = self._frame(candidates).withColumn("_file", F.col("_metadata.file_name")).where(predicate)
        if rows is not None:
            matches = matches.join(rows, list(by), "left_semi")
        names = {row["_file"] for row in matches.select("_file").distinct().collect()}
        files_ = [f for f in candidates if f.path().rsplit("/", 1)[-1] in names]
        self._removes = _removals(files_)
        return self._frame(files_) if files_ else None

    def keep_partitions(self, partitions: set[str], column: str) -> None:
        """Commit only the staged files of these partitions (values of the partition column `column`)."""
        self._adds = [a for a in self._adds if a.partitionValues().apply(column) in partitions]

    def remove(self, predicate: str) -> None:
        """Let the commit remove every file that matches a partition predicate."""
        self._removes = _removals(self._matching(predicate))

    def remove_files(self, paths: set[str]) -> None:
        """Let the commit remove files by path below the table's folder, such as files that are gone from the disk."""
        self._removes = _removals([f for f in self._matching("true") if unquote(str(f.path())) in paths])

    def restore(
        self, version: int, is_left_out: Callable[[str | None], bool], column: str, note: tuple[str, str]
    ) -> None:
        """Let the commit make the files of the table those of an earlier version. Schema and properties stay.

        is_left_out: whether files with this value of the partition column `column` do not come back. note: a table
        property, which the commit sets. Because of it, every transaction that began before conflicts with the commit.
        """
        of_version = delta.snapshot(self.spark, self.uri, version).allFiles().collectAsList()
        kept = [f for f in of_version if not (column and is_left_out(f.partitionValues().apply(column)))]
        now = {str(file.path()): file for file in self._matching("true")}
        paths = {str(file.path()) for file in kept}
        self._adds = [_with(f, dataChange=True) for f in kept if str(f.path()) not in now]
        self._removes = _removals([file for path, file in now.items() if path not in paths])
        self._staged_at = 0.0  # maintenance may have removed files since, so the commit checks them
        metadata = self._txn.metadata()
        properties = as_dict(self.spark, metadata.configuration()) | dict([note])
        self._txn.updateMetadata(_with(metadata, configuration=as_map(self.spark, properties)), False)

    def watch(self, predicate: str) -> None:
        """Treat a concurrent change to the files that match a partition predicate as a conflict; do not change them."""
        self._watched, self._watched_paths = predicate, self._paths(predicate)

    def raise_if_changed(self) -> None:
        """Raises ConflictError when a watched file has changed.

        For callers that do not commit through this transaction; `commit` detects such a change itself.
        """
        if not self._watched:
            return
        now = Transaction(self.spark, self.uri)
        if now.version != self.version and now._paths(self._watched) != self._watched_paths:
            raise ConflictError(f"Another run changed {self.uri} at the same time. Run again.")

    def commit(self, metadata: str) -> int:
        """Publish atomically; returns the new version. Raises ConflictError when another run changed what was read."""
        actions = as_seq(self.spark, self._adds + self._removes)
        with delta.translate_conflicts(self.uri), delta.commit_metadata(self.spark, self.uri, metadata):
            self._raise_if_staged_files_are_gone()
            delta.remove_old_checksum(self.spark, self.uri, self.version + 1)
            return int(self._txn.commit(actions, self._operation()))

    def _raise_if_staged_files_are_gone(self) -> None:
        """Raises ConflictError when staged files are gone: maintenance removes unpublished files after a day."""
        if time.time() - self._staged_at < CHECK_STAGED_AFTER:
            return
        gone = [a for a in self._adds if not files.exists(self.spark, f"{self.uri}/{unquote(a.path())}")]
        if gone:
            raise ConflictError(
                f"{len(gone)} files staged for {self.uri} are gone: the run was suspended for too long, and "
                "maintenance removed them. Run again."
            )

    @property
    def is_empty(self) -> bool:
        """Whether a commit would neither add nor remove files."""
        return not self._adds and not self._removes

    def _operation(self) -> Any:
        """Delta's operation WRITE. For it Delta derives the new snapshot from the old one and does not read the log."""
        write = jvm(self.spark, "org.apache.spark.sql.delta.DeltaOperations$Write")
        mode = jvm(self.spark, "org.apache.spark.sql.SaveMode")
        defaults = [none(self.spark)] * 8
        return write(mode.Overwrite if self._removes else mode.Append, *defaults)

    def _matching(self, predicate: str) -> list[Any]:
        """Files of the version read that match. A concurrent change to them is a conflict.

        When none match, a concurrent commit that adds a matching file is a conflict. Delta's own `filterFiles` makes
        the same calls, but always lists the files with a Spark job.
        """
        snapshot = self._txn.snapshot()
        filters = listing.filters(self.spark, snapshot, predicate)
        found = listing.matching(self.spark, snapshot, filters)
        self._txn.trackReadPredicates(filters, False, True)
        self._txn.trackFilesRead(as_seq(self.spark, found))
        return found

    def _paths(self, predicate: str) -> set[str]:
        return {str(f.path()) for f in self._matching(predicate)}

    def _frame(self, adds: list[Any]) -> DataFrame:
        return Listing(self.spark, self._txn.snapshot(), adds).frame(self.spark)


def _removals(files_: list[Any]) -> list[Any]:
    """The actions that remove some files. They leave out the statistics, whose smallest and largest ids may be erased.

    `filesForScan` gives files without statistics; the list of a checksum file has them.
    """
    now = int(time.time() * 1000)
    return [_without_stats(file).removeWithTimestamp(now, True) for file in files_]


def _without_stats(file: Any) -> Any:
    return file if file.stats() is None else _with(file, stats=None)


def _with(action: Any, **changed: object) -> Any:
    """A copy of an action of the log with other values in some fields."""
    fields = [str(action.productElementName(i)) for i in range(action.productArity())]
    return action.copy(*[changed[name] if name in changed else getattr(action, name)() for name in fields])


def _rows_by_task(adds: list[Any]) -> dict[str, int]:
    """Task number -> rows that the task wrote. A file's name starts with the task number (`part-00003-...`)."""
    counts: dict[str, int] = {}
    for add in adds:
        task = str(add.path()).rsplit("/", 1)[-1].split("-")[1]
        counts[task] = counts.get(task, 0) + int(json.loads(add.stats() or "{}").get("numRecords", 0))
    return counts
