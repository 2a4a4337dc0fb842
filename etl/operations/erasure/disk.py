"""Gone from the disk: files of earlier versions that hold a person, and logs whose statistics say so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.engine.delta import log as delta_log
from etl.engine.delta import tables as delta
from etl.engine.jobs.run_context import RunContext
from etl.engine.people import suppression
from etl.engine.people.suppression import SuppressionList
from etl.engine.spark import files
from etl.model.contract import Table
from etl.model.privacy import ROLES, Role
from etl.operations.erasure import rules
from etl.operations.retention import orphan_files
from etl.operations.retention.orphan_files import Remain


def purge(context: RunContext, table: Table, role: Role, groups: list[Sequence[int]]) -> dict[str, Any]:
    """Take a table's old files with some people off the disk; returns how many, and how many must wait and until when.

    A file of no version that is less than a day old may be one that a run is about to publish.
    """
    uri = context.uri(table)
    found = _holding(context.spark, table, role, orphan_files.find(context.spark, uri), groups)
    now = datetime.now(UTC)
    sure = [r for r in found if r.published or r.idle(now, timedelta(0))]
    waiting = [r for r in found if r not in sure]
    size = orphan_files.take(context.spark, uri, sure)
    delta_log.forget_versions(context.spark, uri)
    done: dict[str, Any] = {"files_removed": len(sure), "bytes_removed": size, "gone_at": now.isoformat()}
    if waiting:
        last = max(r.since for r in waiting) / 1000
        until = datetime.fromtimestamp(last, UTC) + orphan_files.MAX_RUN_TIME
        done |= {"files_waiting": len(waiting), "gone_at": until.isoformat()}
    return done


def rows_of(spark: SparkSession, table: Table, role: Role, found: list[Remain]) -> DataFrame:
    """What files of no version say of people; a file half written by a killed run is nobody's yet."""
    wanted = {*rules.personal(table, role), "event"}  # the kind of record a quarantined text is of
    columns = ", ".join(f"{c.name} {c.type}" for c in table.columns if c.name in wanted)
    reader = spark.read.schema(columns).option("ignoreCorruptFiles", "true")
    return reader.parquet(*[files.glob_escape(r.file.uri) for r in found])


def _holding(
    spark: SparkSession, table: Table, role: Role, found: list[Remain], groups: list[Sequence[int]]
) -> list[Remain]:
    """Those that hold rows of the people."""
    names: set[str] = set()
    for people in groups if found else []:
        rows = rows_of(spark, table, role, found).where(rules.holds(table, role, people))
        names |= {r[0] for r in rows.select(F.col("_metadata.file_name")).distinct().collect()}
    return [r for r in found if r.file.name in names]


def batches(context: RunContext, suppressed: SuppressionList) -> list[str]:
    """Remove refused batches that hold an erased person: copies, kept to be looked at. Returns their places."""
    spark, lake = context.spark, files.absolute(context.settings.lake)
    gone = []
    for folder in files.list_folders(spark, f"{lake}/_rejected"):
        for batch in files.list_folders(spark, folder.uri):
            if _names(spark, batch.uri, suppressed):
                files.delete(spark, batch.uri)
                gone.append(f"_rejected/{folder.name}/{batch.name}")
    return gone


def _names(spark: SparkSession, uri: str, suppressed: SuppressionList) -> bool:
    """Whether a kept batch holds an erased person; one that is no table is half a batch, and goes."""
    if not delta.is_table(spark, uri):
        return True
    rows = delta.read(spark, uri)
    said = [(role, suppression.ids(rows, role)) for role in ROLES]
    return any(named is not None and suppressed.for_role(role).erased_among(named).ids for role, named in said)
