"""Finds and removes orphan files: files on disk that the newest version of a table does not reference.

Some belong to earlier versions, others to no version. A run may be about to publish a file of no version, so it stays
for a day, unless the run that wrote it is known to be dead. Retention and erasure must remove files of earlier versions
at once. Delta's VACUUM cannot do this: it keeps both kinds for the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote

from pyspark.sql import SparkSession

from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile

MAX_RUN_TIME = timedelta(hours=24)
AT_ONCE = 500  # files that are removed each time the commit lock is held


@dataclass(frozen=True)
class OrphanFile:
    """A file that the newest version does not reference.

    `published`: whether an earlier version references it. `since`: when it was removed from the table or, if it was
    never published, when it was written (milliseconds since 1970).
    """

    file: LandedFile
    since: int
    published: bool

    def is_unused(self, now: datetime, readers: timedelta) -> bool:
        """Whether no reader of an earlier version, within the window `readers`, and no run can need the file."""
        window = readers if self.published else max(readers, MAX_RUN_TIME)
        return self.since <= (now - window).timestamp() * 1000


def find(spark: SparkSession, uri: str) -> list[OrphanFile]:
    """Return all orphan files of a table.

    The folder is listed before the log is read, so a file that is published meanwhile is in the log and not an orphan.
    """
    on_disk = {
        files.relative_path(uri, f.uri): f for f in files.walk(spark, uri) if _is_data(files.relative_path(uri, f.uri))
    }
    live_rows, removed_rows = delta.live_and_removed_files(spark, uri)
    removed = {unquote(r["path"]): r["deletionTimestamp"] for r in removed_rows.collect()}
    live = {unquote(r["path"]) for r in live_rows.select("path").collect()}
    return [
        OrphanFile(file, removed.get(path) or file.modified, path in removed)
        for path, file in sorted(on_disk.items())
        if path not in live
    ]


def _is_data(path: str) -> bool:
    return path.endswith(".parquet") and not path.startswith("_")


def remove(spark: SparkSession, uri: str, orphans: list[OrphanFile]) -> int:
    """Delete orphan files, and folders that become empty. Returns the number of bytes.

    A file that the newest version references by now stays. The newest version is read again while the commit lock is
    held, so nothing is published between this check and the removal.
    """
    removed: list[OrphanFile] = []
    for start in range(0, len(orphans), AT_ONCE):
        with delta.commit_lock(uri):
            live = _live(spark, uri)
            for orphan in orphans[start : start + AT_ONCE]:
                if files.relative_path(uri, orphan.file.uri) not in live:
                    files.delete(spark, orphan.file.uri)
                    removed.append(orphan)
    for folder in {orphan.file.uri.rsplit("/", 1)[0] for orphan in removed}:
        if files.relative_path(uri, folder):
            files.delete_if_empty(spark, folder)
    return sum(orphan.file.size for orphan in removed)


def _live(spark: SparkSession, uri: str) -> set[str]:
    """Return the paths of the files that the newest version references."""
    return {unquote(r["path"]) for r in delta.live_files(spark, uri).select("path").collect()}
