"""Delta transactions whose files are written first and become visible only at commit.

`stage` writes Parquet into the table's folder without a log entry: no reader sees it, the gate can read it, and
`commit` makes it part of the table without writing a row twice. The next run removes what a killed one left
(`etl.engine.delta.staged`).
The calls are those that Delta's own DELETE and INSERT make; see docs/decisions/0001-publish.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.engine.delta import staged
from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.engine.spark.jvm import as_list, as_seq, jvm, none, some
from etl.errors import ConflictError

SUSPENDED = 3600.0  # seconds from staging to commit after which staged files are looked for


class Transaction:
    """One optimistic transaction on one table: read a version, stage files, commit or walk away.

    Begun on an earlier `version`, it conflicts with what was published since, as if it had begun then.
    """

    def __init__(self, spark: SparkSession, uri: str, version: int | None = None) -> None:
        self.spark, self.uri = spark, uri
        snapshot = delta.snapshot(spark, uri)
        if version is not None and version != snapshot.version():
            snapshot = delta.snapshot(spark, uri, version)
        self._txn = snapshot.deltaLog().startTransaction(none(spark), some(spark, snapshot))
        self._adds: list[Any] = []
        self._removes: list[Any] = []
        self._watched, self._as_read = "", set[str]()
        self._staged_at = time.time()
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
        started, self._staged_at = time.monotonic(), time.time()
        written = self._txn.writeFiles(rows._jdf)
        self._adds = as_list(self.spark, written)
        staged.record(self.uri, [str(add.path()) for add in self._adds])
        self.stage_seconds = time.monotonic() - started
        self.task_rows = _rows_by_task(self._adds)
        return self._frame(written)

    def read_for_rewrite(
        self, predicate: str, rows: DataFrame | None = None, by: Sequence[str] = ()
    ) -> DataFrame | None:
        """Rows of every file that holds a matching row; these files go at commit. None when there is no such file.

        With `rows`, only a row matches that is equal `by` some columns to one of them.
        """
        matching = self._matching(predicate)
        holding = self._frame(matching).withColumn("_file", F.col("_metadata.file_name")).where(predicate)
        if rows is not None:
            holding = holding.join(rows, list(by), "left_semi")
        names = {row["_file"] for row in holding.select("_file").distinct().collect()}
        found = [f for f in as_list(self.spark, matching) if f.path().rsplit("/", 1)[-1] in names]
        self._removes = [f.removeWithTimestamp(int(time.time() * 1000), True) for f in found]
        return self._frame(as_seq(self.spark, found)) if found else None

    def keep_partitions(self, partitions: set[str], column: str) -> None:
        """Of the staged files keep those whose value of a partition column is wanted."""
        self._adds = [a for a in self._adds if a.partitionValues().apply(column) in partitions]

    def remove(self, predicate: str) -> None:
        """Take every file that matches a partition predicate out of the table at commit."""
        stamp = int(time.time() * 1000)
        self._removes = [f.removeWithTimestamp(stamp, True) for f in self._files(predicate)]

    def remove_files(self, paths: set[str]) -> None:
        """Take files by their path below the table out of it at commit, such as those that are gone from the disk."""
        stamp = int(time.time() * 1000)
        found = [f for f in self._files("true") if unquote(str(f.path())) in paths]
        self._removes = [f.removeWithTimestamp(stamp, True) for f in found]

    def watch(self, predicate: str) -> None:
        """What matches a partition predicate stays as it is; a concurrent change to it is a conflict."""
        self._watched, self._as_read = predicate, self._paths(predicate)

    def raise_if_changed(self) -> None:
        """Raises ConflictError when what is watched has changed: for who commits nothing, or in another way."""
        if not self._watched:
            return
        now = Transaction(self.spark, self.uri)
        if now.version != self.version and now._paths(self._watched) != self._as_read:
            raise ConflictError(f"Another run changed {self.uri} meanwhile; run again.")

    def commit(self, metadata: str) -> int:
        """Publish atomically. Raises ConflictError when someone else changed what was read."""
        actions = as_seq(self.spark, self._adds + self._removes)
        with delta.translate_conflicts(self.uri), delta.commit_metadata(self.spark, self.uri, metadata):
            self._refuse_lost()
            return int(self._txn.commit(actions, self._operation()))

    def _refuse_lost(self) -> None:
        """Raises ConflictError when staged files are gone: maintenance removes those that lie unpublished for a day."""
        if time.time() - self._staged_at < SUSPENDED:
            return
        lost = [a for a in self._adds if not files.exists(self.spark, f"{self.uri}/{unquote(a.path())}")]
        if lost:
            raise ConflictError(
                f"{len(lost)} files staged for {self.uri} are gone: the run stood still for too long, and maintenance "
                "removed them. Run again."
            )

    @property
    def is_empty(self) -> bool:
        return not self._adds and not self._removes

    def _operation(self) -> Any:
        """A write, to Delta: it then derives the new state from the old one, and reads no log again after a commit."""
        write = jvm(self.spark, "org.apache.spark.sql.delta.DeltaOperations$Write")
        mode = jvm(self.spark, "org.apache.spark.sql.SaveMode")
        unsaid = [none(self.spark)] * 8
        return write(mode.Overwrite if self._removes else mode.Append, *unsaid)

    def _files(self, predicate: str) -> list[Any]:
        return as_list(self.spark, self._matching(predicate))

    def _matching(self, predicate: str) -> Any:
        """Files of the version read; a concurrent change to them, or to none of them, is a conflict."""
        snapshot = self._txn.snapshot()
        filters = delta.filters(self.spark, snapshot, predicate)
        if not delta.has_no_files(snapshot):
            return self._txn.filterFiles(filters, False)
        self._txn.trackReadPredicates(filters, False, True)  # as `filterFiles` does
        return as_seq(self.spark, [])

    def _paths(self, predicate: str) -> set[str]:
        return {str(f.path()) for f in self._files(predicate)}

    def _frame(self, adds: Any) -> DataFrame:
        return delta.Listing(self._txn.snapshot(), adds).frame(self.spark)


def _rows_by_task(adds: list[Any]) -> dict[str, int]:
    """Rows each task wrote, by the task's number, which begins the name of its files (`part-00003-...`)."""
    found: dict[str, int] = {}
    for add in adds:
        task = str(add.path()).rsplit("/", 1)[-1].split("-")[1]
        found[task] = found.get(task, 0) + int(json.loads(add.stats() or "{}").get("numRecords", 0))
    return found
