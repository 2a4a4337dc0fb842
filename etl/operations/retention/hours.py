"""Hours past their deadline leave their tables: out of the newest version, off the disk, and never made again.

The hours go by one commit, which carries its ledger row like any publish: rows of each hour are none from then on, and
`kept_from` closes what came before it. Nothing is touched, so nothing that was made from these hours is made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from etl.engine.delta.checksums import Content
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs.run_context import as_literal, as_partition, metadata, record
from etl.model.contract import Table
from etl.operations.backfill import hours as lake_hours
from etl.operations.retention import orphan_files
from etl.operations.retention.action import Action
from etl.operations.retention.window import Window, tables

STEP = "retention"


def plan(window: Window) -> Iterator[Action]:
    """An action for each table that has hours past its deadline."""
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
    window: Window, table: Table, old: list[datetime], first: datetime, found: dict[datetime, tuple[int, str]]
) -> Action:
    rows = sum(found[hour][0] for hour in old)
    what = f"{len(old)} hours before {first:%Y-%m-%dT%H}, {rows} rows, past {table.retention_days} days"
    if asked := window.asks(rows, sum(count for count, _ in found.values())):
        return Action(STEP, table.name, f"{what}: {asked}")
    return Action(STEP, table.name, what, lambda: expire(window, table, old, first, rows))


def expire(window: Window, table: Table, old: list[datetime], first: datetime, rows: int) -> None:
    """Take hours out of a table, then their files off the disk, those of earlier versions too."""
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
    take_files(window, table, old)


def take_files(window: Window, table: Table, old: list[datetime]) -> None:
    """Past its deadline an hour has no readers' window; only what a run may be about to publish stays a day."""
    context = window.context
    wanted = {as_partition(hour, table)[:13].replace("T", " ") for hour in old}
    gone = [r for r in orphan_files.find(context.spark, context.uri(table)) if _hour(r, table) in wanted]
    orphan_files.take(
        context.spark,
        context.uri(table),
        [r for r in gone if r.published or r.idle(window.today, orphan_files.MAX_RUN_TIME)],
    )


def _hour(remain: orphan_files.Remain, table: Table) -> str:
    """The hour in a file's folder, `.../impression_hour=2026-06-01 08%3A00%3A00/...`, as `2026-06-01 08`."""
    return remain.file.uri.split(f"{table.hour}=")[-1][:13]
