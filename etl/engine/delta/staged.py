"""Data files that killed processes of this machine staged and never published: removed by the next run.

Only files that the dead process itself listed, and that no version of the table names, go. What it was still writing
when it was killed is in no list: maintenance removes that after a day.
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
    """Keep the names of files staged for a table until this process ends."""
    if (mine := scratch.current()) and paths:
        mine.note({"table": uri, "files": paths})


def remove_dead(spark: SparkSession, settings: Settings) -> int:
    """Remove what dead processes staged and did not publish; returns files. What fails is tried by the next run."""
    count = 0
    for process in scratch.dead_processes(settings.scratch):
        try:
            count += sum(_remove(spark, uri, paths) for uri, paths in process.staged)
            scratch.forget(process)
        except (FeedEtlError, OSError, Py4JError, PySparkException) as error:
            log.warning("files staged by a dead process stay for now: %s", first_line(error))
    return count


def _remove(spark: SparkSession, uri: str, paths: list[str]) -> int:
    """Of staged files those that no version names: a dead process publishes nothing any more."""
    there = [path for path in map(unquote, paths) if files.exists(spark, f"{uri}/{path}")]
    if not there or not delta.is_table(spark, uri):
        return 0
    with delta.commit_lock(uri):
        known = _known(spark, uri)
        gone = [path for path in there if path not in known]
        for path in gone:
            files.delete(spark, f"{uri}/{path}")
    return len(gone)


def _known(spark: SparkSession, uri: str) -> set[str]:
    """Paths that the newest version names, as its own or as removed."""
    newest = delta.snapshot(spark, uri)
    frames = (DataFrame(found.toDF(), spark).select("path") for found in (newest.allFiles(), newest.tombstones()))
    return {unquote(row["path"]) for frame in frames for row in frame.collect()}
