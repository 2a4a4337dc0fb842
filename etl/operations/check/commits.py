"""Finds commits of a table that no feed-etl run made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import functions as F

from etl.engine.delta.partitions import partition_hour
from etl.engine.jobs.run_context import RunContext
from etl.engine.spark import files
from etl.model.contract import Table


@dataclass(frozen=True)
class ForeignCommit:
    """A commit made by hand: its version, Delta's name of the operation, and the hours whose files it changed."""

    version: int
    operation: str
    hours: tuple[datetime, ...]


def foreign_commits(context: RunContext, table: Table) -> list[ForeignCommit]:
    """Return the commits since the last repair that change rows and carry no ledger row.

    Commits that Delta has removed from the log are not found.
    """
    checked = max((e.checked_version or 0 for e in context.ledger.published(table.name)), default=0)
    history = context.spark.sql(f"DESCRIBE HISTORY delta.`{context.uri(table)}`")
    by_hand = history.where((F.col("version") > int(checked)) & ~F.coalesce("userMetadata", F.lit("")).startswith("{"))
    commits = []
    for row in by_hand.orderBy("version").select("version", "operation").collect():
        changes_rows, hours = _changes(context, table, row["version"])
        if changes_rows:
            commits.append(ForeignCommit(row["version"], row["operation"], hours))
    return commits


def _changes(context: RunContext, table: Table, version: int) -> tuple[bool, tuple[datetime, ...]]:
    """Return whether a commit changes rows, and in which hours."""
    commit = f"{context.uri(table)}/_delta_log/{version:020}.json"
    if not files.exists(context.spark, commit):
        return False, ()
    lines = [json.loads(row[0]) for row in context.spark.read.text(files.glob_escape(commit)).collect()]
    actions = [a for line in lines for kind, a in line.items() if kind in ("add", "remove") and a.get("dataChange")]
    values = {(a.get("partitionValues") or {}).get(table.hour) for a in actions}
    return bool(actions), tuple(sorted(partition_hour(value) for value in values if value))
