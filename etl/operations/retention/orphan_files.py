"""Files on disk that the newest version of a table does not need: those of earlier versions, and those of no version.

A file of no version may be one that a run is about to publish, so it is left alone for a day, unless the run that
wrote it is known to be dead. Delta's own VACUUM cannot tell the two apart, and keeps either for one window; retention
and erasure must take the first kind at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession

from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile

MAX_RUN_TIME = timedelta(hours=24)
AT_ONCE = 500  # files removed under one hold of the commit lock


@dataclass(frozen=True)
class Remain:
    """A file that is not part of the newest version. `since`: when it was removed or, never published, written (ms)."""

    file: LandedFile
    since: int
    published: bool

    def idle(self, now: datetime, readers: timedelta) -> bool:
        """Whether neither a reader within its window nor a run can need it."""
        window = readers if self.published else max(readers, MAX_RUN_TIME)
        return self.since <= (now - window).timestamp() * 1000


def find(spark: SparkSession, uri: str) -> list[Remain]:
    """All of a table. The folder is listed before the log is read: what is published meanwhile is in the log."""
    there = {
        files.relative_path(uri, f.uri): f for f in files.walk(spark, uri) if _is_data(files.relative_path(uri, f.uri))
    }
    newest = delta.snapshot(spark, uri)  # one version for both questions: no file may be in neither answer
    tombstones = DataFrame(newest.tombstones().toDF(), spark).select("path", "deletionTimestamp").collect()
    removed = {unquote(r["path"]): r["deletionTimestamp"] for r in tombstones}
    live = {unquote(r["path"]) for r in DataFrame(newest.allFiles().toDF(), spark).select("path").collect()}
    return [
        Remain(file, removed.get(path) or file.modified, path in removed)
        for path, file in sorted(there.items())
        if path not in live
    ]


def _is_data(path: str) -> bool:
    return path.endswith(".parquet") and not path.startswith("_")


def take(spark: SparkSession, uri: str, gone: list[Remain]) -> int:
    """Delete files, and folders they leave empty; returns bytes. What the newest version names by now stays.

    The newest version is read again under the commit lock: nothing is published between the look and the removal.
    """
    taken: list[Remain] = []
    for start in range(0, len(gone), AT_ONCE):
        with delta.commit_lock(uri):
            live = _live(spark, uri)
            for remain in gone[start : start + AT_ONCE]:
                if files.relative_path(uri, remain.file.uri) not in live:
                    files.delete(spark, remain.file.uri)
                    taken.append(remain)
    for folder in {remain.file.uri.rsplit("/", 1)[0] for remain in taken}:
        if files.relative_path(uri, folder):
            files.delete_if_empty(spark, folder)
    return sum(remain.file.size for remain in taken)


def _live(spark: SparkSession, uri: str) -> set[str]:
    """Paths of the files of the newest version."""
    return {unquote(r["path"]) for r in delta.live_files(spark, uri).select("path").collect()}
