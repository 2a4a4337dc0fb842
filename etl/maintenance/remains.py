"""Files on disk that the newest version of a table does not need: those of earlier versions, and those of no version.

A file of no version may be one that a run is about to publish, so it is left alone for a day. Delta's own VACUUM
cannot tell the two apart, and keeps either for one window; retention and erasure must take the first kind at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote

from pyspark.sql import SparkSession

from etl.engine import delta, files
from etl.engine.files import LandedFile

A_RUN_AT_MOST = timedelta(hours=24)


@dataclass(frozen=True)
class Remain:
    """A file that is not part of the newest version. `since`: when it was removed or, never published, written (ms)."""

    file: LandedFile
    since: int
    published: bool

    def idle(self, now: datetime, readers: timedelta) -> bool:
        """Whether neither a reader within its window nor a run can need it."""
        window = readers if self.published else max(readers, A_RUN_AT_MOST)
        return self.since <= (now - window).timestamp() * 1000


def find(spark: SparkSession, uri: str) -> list[Remain]:
    """All of a table. The folder is listed before the log is read: what is published meanwhile is in the log."""
    there = {files.below(uri, f.uri): f for f in files.walk(spark, uri) if _is_data(files.below(uri, f.uri))}
    removed = {unquote(r["path"]): r["deletionTimestamp"] for r in delta.removed_files(spark, uri).collect()}
    live = {unquote(r["path"]) for r in delta.live_files(spark, uri).select("path").collect()}
    return [
        Remain(file, removed.get(path) or file.modified, path in removed)
        for path, file in sorted(there.items())
        if path not in live
    ]


def _is_data(path: str) -> bool:
    return path.endswith(".parquet") and not path.startswith("_")


def take(spark: SparkSession, uri: str, gone: list[Remain]) -> int:
    """Delete files, and folders they leave empty; returns bytes."""
    for remain in gone:
        files.delete(spark, remain.file.uri)
    for folder in {remain.file.uri.rsplit("/", 1)[0] for remain in gone}:
        if files.below(uri, folder):
            files.delete_if_empty(spark, folder)
    return sum(remain.file.size for remain in gone)
