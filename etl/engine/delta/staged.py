"""Removes data files that a killed process on this machine staged and never published. The next run does this.

It removes a file only when the dead process listed it and the table's log does not name it. A file that the
process was still writing when it was killed is in no list: maintenance removes it after a day.
"""

from __future__ import annotations

import logging
from urllib.parse import unquote

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.spark import files, scratch
from etl.errors import FeedEtlError, first_line

log = logging.getLogger("feed_etl")


def record(uri: str, paths: list[str]) -> None:
    """List files staged for a table in the lock file of this process, so that they can be removed if it is killed."""
    if (process := scratch.current()) and paths:
        process.note({"table": uri, "files": paths})


def remove_dead(spark: SparkSession, settings: Settings) -> int:
    """Remove the files that dead processes staged and did not publish; returns their number.

    When that fails for a process, this logs a warning and the next run tries again.
    """
    count = 0
    for process in scratch.dead_processes(settings.scratch):
        try:
            count += sum(_remove(spark, uri, paths) for uri, paths in process.staged)
            scratch.forget(process)
        except (FeedEtlError, OSError, Py4JError, PySparkException) as error:
            log.warning(
                "files staged by a dead process could not be removed; the next run tries: %s", first_line(error)
            )
    return count


def _remove(spark: SparkSession, uri: str, paths: list[str]) -> int:
    """Remove the staged files of one table that its log does not name; returns their number."""
    existing = [path for path in map(unquote, paths) if files.exists(spark, f"{uri}/{path}")]
    if not existing or not delta.is_table(spark, uri):
        return 0
    with delta.commit_lock(uri):
        published = _paths_in_log(spark, uri)
        unpublished = [path for path in existing if path not in published]
        for path in unpublished:
            files.delete(spark, f"{uri}/{path}")
    return len(unpublished)


def _paths_in_log(spark: SparkSession, uri: str) -> set[str]:
    """Paths of files that the newest version contains or has removed."""
    newest = delta.snapshot(spark, uri)
    frames = (DataFrame(files_.toDF(), spark).select("path") for files_ in (newest.allFiles(), newest.tombstones()))
    return {unquote(row["path"]) for frame in frames for row in frame.collect()}
