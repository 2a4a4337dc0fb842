"""Removes hours past their deadline from tables and from disk. They are never rebuilt.

One commit removes the hours of a table. It carries its ledger row like any publish: the hours have no rows, and no run
builds hours before `kept_from`. The row has no affected hours, so downstream tables are not rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from etl.engine.delta.checksums import Content
from etl.engine.delta.partitions import as_literal, as_partition
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs.run_context import metadata, record
from etl.model.contract import Table
from etl.operations.backfill import hours as lake_hours
from etl.operations.retention import orphan_files
from etl.operations.retention.action import Action
from etl.operations.retention.orphan_files import OrphanFile
from etl.operations.retention.window import Window, tables

STEP = "retention"


def plan(window: Window) -> Iterator[Action]:
    """Yield an action for each table that has hours past its deadline."""
    for table in tables(window.context):
        first = window.kept_from(table)
        if first is None:
            continue
        rows = lake_hours.partitions(window.context, table)
        old = sorted(hour for hour in rows if hour < first)
        if old:
            yield _expire(window, table, old, first, rows)
        if window.held(table):
            why = f"hours from {first:%Y-%m-%dT%H} on are past {table.retention_days} days, but due or in a backfill"
            yield Action(STEP, table.name, why)


def _expire(
    window: Window, table: Table, old: list[datetime], first: datetime, partitions: dict[datetime, tuple[int, str]]
) -> Action:
    rows = sum(partitions[hour][0] for hour in old)
    what = f"{len(old)} hours before {first:%Y-%m-%dT%H}, {rows} rows, past {table.retention_days} days"
    if why := window.needs_yes(rows, sum(count for count, _ in partitions.values())):
        return Action(STEP, table.name, f"{what}: {why}", needs_yes=True)
    return Action(STEP, table.name, what, lambda: expire(window, table, old, first, rows))


def expire(window: Window, table: Table, old: list[datetime], first: datetime, rows: int) -> None:
    """Remove hours from a table, then their files from disk, also those of earlier versions."""
    context = window.context
    txn = Transaction(context.spark, context.uri(table))
    txn.remove(f"{table.hour} < {as_literal(first, table)}")
    entry = context.begin(table)
    known = context.ledger.state(table.name)
    entry.published_hours = [Content().state(hour) for hour in old if hour in known]
    entry.kept_from = first
    entry.metrics["rows_expired"] = float(rows)
    entry.output_version = txn.commit(metadata(entry))
    record(context, entry, reason=f"retention: hours before {first:%Y-%m-%dT%H} are gone")
    remove_files(window, table, old)


def remove_files(window: Window, table: Table, old: list[datetime]) -> None:
    """Remove the orphan files of hours past their deadline.

    The readers' window does not apply to them. Only files that a run may be about to publish stay, for a day.
    """
    context = window.context
    hours = {as_partition(hour, table)[:13].replace("T", " ") for hour in old}
    orphans = [o for o in orphan_files.find(context.spark, context.uri(table)) if _hour(o, table) in hours]
    removable = [o for o in orphans if o.published or o.is_unused(window.today, orphan_files.MAX_RUN_TIME)]
    orphan_files.remove(context.spark, context.uri(table), removable)


def _hour(orphan: OrphanFile, table: Table) -> str:
    """Return the hour in a file's folder, `.../impression_hour=2026-06-01 08%3A00%3A00/...`, as `2026-06-01 08`."""
    return orphan.file.uri.split(f"{table.hour}=")[-1][:13]
