"""Commits of a table that no run of ours made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import functions as F

from etl.engine.jobs.run_context import RunContext
from etl.engine.spark import files
from etl.engine.state import planner
from etl.model.contract import Table


@dataclass(frozen=True)
class Foreign:
    """A commit made by hand: its version, Delta's name of the operation, and the hours whose files it changed."""

    version: int
    operation: str
    hours: tuple[datetime, ...]


def foreign(context: RunContext, table: Table) -> list[Foreign]:
    """Commits that change rows and carry no ledger row, since the last repair, as far as the log goes."""
    checked = max((e.checked_version or 0 for e in context.ledger.published(table.name)), default=0)
    history = context.spark.sql(f"DESCRIBE HISTORY delta.`{context.uri(table)}`")
    by_hand = history.where((F.col("version") > int(checked)) & ~F.coalesce("userMetadata", F.lit("")).startswith("{"))
    found = []
    for row in by_hand.orderBy("version").select("version", "operation").collect():
        changed, hours = _changed(context, table, row["version"])
        if changed:
            found.append(Foreign(row["version"], row["operation"], hours))
    return found


def _changed(context: RunContext, table: Table, version: int) -> tuple[bool, tuple[datetime, ...]]:
    """Whether a commit changes rows, and in which hours."""
    commit = f"{context.uri(table)}/_delta_log/{version:020}.json"
    if not files.exists(context.spark, commit):
        return False, ()
    lines = [json.loads(row[0]) for row in context.spark.read.text(files.glob_escape(commit)).collect()]
    actions = [a for line in lines for kind, a in line.items() if kind in ("add", "remove") and a.get("dataChange")]
    values = {(a.get("partitionValues") or {}).get(table.hour) for a in actions}
    return bool(actions), tuple(sorted(planner.partition_hour(value) for value in values if value))
