"""Checks the files of a table's Delta log: every version exists and is complete, up to the last one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.errors import first_line
from etl.operations.check.finding import Finding

COMMIT = re.compile(r"(\d{20})\.json")
CHECKPOINT = re.compile(r"(\d{20})\.checkpoint.*\.parquet")


def check(spark: SparkSession, name: str, uri: str) -> list[Finding]:
    """Return the findings in the log of a table. Empty when its newest version can be read."""
    log = files.list_files(spark, f"{uri}/_delta_log")
    commits = {int(match[1]): f.uri for f in log if (match := COMMIT.fullmatch(f.name))}
    checkpoints = {int(match[1]): f.uri for f in log if (match := CHECKPOINT.fullmatch(f.name))}
    base = max(checkpoints, default=-1)
    findings = [*_checkpoint(spark, name, checkpoints.get(base)), *_gap(name, commits, base)]
    findings += _torn(spark, name, {v: commit for v, commit in commits.items() if v > base})
    return findings or list(_unreadable(spark, name, uri))


def _checkpoint(spark: SparkSession, name: str, uri: str | None) -> Iterator[Finding]:
    if uri is None:
        return
    try:
        spark.read.parquet(files.glob_escape(uri)).agg(F.count("*")).collect()
    except (Py4JJavaError, PySparkException):
        yield Finding("torn_log", name, f"the newest checkpoint cannot be read: {uri}", next=RESTORE)


def _gap(name: str, commits: dict[int, str], base: int) -> Iterator[Finding]:
    """Yield a finding when a version after the newest checkpoint (or from 0 without a checkpoint) is missing."""
    newest = max(commits, default=base)
    missing = [v for v in range(base + 1, newest) if v not in commits]
    if missing or newest < 0:
        first = missing[0] if missing else 0
        yield Finding("torn_log", name, f"version {first} is missing: _delta_log/{first:020}.json", next=RESTORE)


def _torn(spark: SparkSession, name: str, commits: dict[int, str]) -> Iterator[Finding]:
    """Yield a finding for each commit file that is empty or has a line that is not JSON."""
    if not commits:
        return
    lines = spark.read.text([files.glob_escape(uri) for uri in commits.values()]).where("trim(value) != ''")
    not_json = F.count_if(F.get_json_object("value", "$").isNull()).alias("not_json")
    counts = lines.groupBy(F.col("_metadata.file_name").alias("file")).agg(not_json).collect()
    not_json_lines = {unquote(row["file"]): row["not_json"] for row in counts}
    for version, uri in sorted(commits.items()):
        if not_json_lines.get(uri.rsplit("/", 1)[-1], 1):
            last = version == max(commits)
            what = f"version {version} is half a commit: {uri}"
            yield Finding("torn_log", name, what, next=REMOVE if last else RESTORE)


REMOVE = "Look at the file. If it is not complete, remove this last commit, then run again"
RESTORE = "Restore the file from a backup or from the versions that the store keeps; see docs/runbook.md"


def _unreadable(spark: SparkSession, name: str, uri: str) -> Iterator[Finding]:
    try:
        delta.current_version(spark, uri)
    except (Py4JJavaError, PySparkException) as error:
        yield Finding("torn_log", name, f"the log cannot be read: {first_line(error)}", next=RESTORE)
