"""Removes erased people from disk: orphan files that hold them, old log entries with statistics, rejected batches."""

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
from etl.operations.retention.orphan_files import OrphanFile


def purge(context: RunContext, table: Table, role: Role, groups: list[Sequence[int]]) -> dict[str, Any]:
    """Remove the orphan files of a table that hold some people, and its old log entries.

    An orphan file that was never published and is less than a day old must wait: a run may be about to publish it.
    Returns, for the receipt, how many files were removed, how many wait, and until when.
    """
    uri = context.uri(table)
    holding = _holding(context.spark, table, role, orphan_files.find(context.spark, uri), groups)
    now = datetime.now(UTC)
    removable = [o for o in holding if o.published or o.is_unused(now, timedelta(0))]
    waiting = [o for o in holding if o not in removable]
    size = orphan_files.remove(context.spark, uri, removable)
    delta_log.forget_versions(context.spark, uri)
    done: dict[str, Any] = {"files_removed": len(removable), "bytes_removed": size, "gone_at": now.isoformat()}
    if waiting:
        last = max(o.since for o in waiting) / 1000
        until = datetime.fromtimestamp(last, UTC) + orphan_files.MAX_RUN_TIME
        done |= {"files_waiting": len(waiting), "gone_at": until.isoformat()}
    return done


def rows_of(spark: SparkSession, table: Table, role: Role, orphans: list[OrphanFile]) -> DataFrame:
    """Read the personal columns of orphan files. Half-written files of killed runs are skipped."""
    wanted = {*rules.personal_columns(table, role), "event"}  # quarantine: the event that a raw text belongs to
    columns = ", ".join(f"{c.name} {c.type}" for c in table.columns if c.name in wanted)
    reader = spark.read.schema(columns).option("ignoreCorruptFiles", "true")
    return reader.parquet(*[files.glob_escape(o.file.uri) for o in orphans])


def _holding(
    spark: SparkSession, table: Table, role: Role, orphans: list[OrphanFile], groups: list[Sequence[int]]
) -> list[OrphanFile]:
    """Return the orphan files that hold rows of the people."""
    names: set[str] = set()
    for people in groups if orphans else []:
        rows = rows_of(spark, table, role, orphans).where(rules.predicate(table, role, people))
        names |= {r[0] for r in rows.select(F.col("_metadata.file_name")).distinct().collect()}
    return [o for o in orphans if o.file.name in names]


def remove_batches(context: RunContext, suppressed: SuppressionList) -> list[str]:
    """Remove rejected batches, which are kept for inspection, that hold an erased person. Returns their paths."""
    spark, lake = context.spark, files.absolute(context.settings.lake)
    removed = []
    for folder in files.list_folders(spark, f"{lake}/_rejected"):
        for batch in files.list_folders(spark, folder.uri):
            if _holds_erased_person(spark, batch.uri, suppressed):
                files.delete(spark, batch.uri)
                removed.append(f"_rejected/{folder.name}/{batch.name}")
    return removed


def _holds_erased_person(spark: SparkSession, uri: str, suppressed: SuppressionList) -> bool:
    """Whether a rejected batch may hold an erased person: a half-written batch, which is no table, always may."""
    if not delta.is_table(spark, uri):
        return True
    rows = delta.read(spark, uri)
    ids_by_role = [(role, suppression.ids(rows, role)) for role in ROLES]
    return any(ids is not None and suppressed.for_role(role).erased_among(ids).ids for role, ids in ids_by_role)
