"""Compacts closed hours into as few files as one publish makes, and dimensions with Delta's OPTIMIZE.

Rows keep their order. The checksums before and after must be equal, or nothing is committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from pyspark.sql import functions as F

from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import in_hours
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs.run_context import metadata, record
from etl.engine.spark.layout import lay_out
from etl.errors import ContractViolation
from etl.model.contract import Table
from etl.operations.retention.action import Action
from etl.operations.retention.window import DAY, Window, tables

STEP = "compaction"


def plan(window: Window) -> Iterator[Action]:
    """Yield an action for each table with closed hours in more files than a publish makes."""
    in_backfill = {name for backfill in window.in_flight for name in backfill.hours}
    for table in tables(window.context):
        if table.name not in in_backfill:
            yield from _compact_hours(window, table) if table.hour else _compact_table(window, table)


def _compact_hours(window: Window, table: Table) -> Iterator[Action]:
    counts = {h: n for h, n in _file_counts(window, table).items() if n > window.context.settings.shuffle_partitions}
    hours = sorted(hour for hour in counts if _is_closed(window, table, hour))
    if hours:
        what = f"{len(hours)} closed hours in {sum(counts[h] for h in hours)} files"
        yield Action(STEP, table.name, what, partial(rewrite_all, window, table, hours))


def _compact_table(window: Window, table: Table) -> Iterator[Action]:
    count = delta.live_files(window.context.spark, window.context.uri(table)).count()
    if count > window.context.settings.shuffle_partitions:
        yield Action(STEP, table.name, f"{count} files of the whole table", partial(optimize, window, table))


def _file_counts(window: Window, table: Table) -> dict[datetime, int]:
    """Return, for each hour, the number of files in its partition with the most files, from Delta's log."""
    live = delta.live_files(window.context.spark, window.context.uri(table))
    partition = F.to_json("partitionValues")
    counts: dict[datetime, int] = {}
    for row in live.groupBy(F.col("partitionValues")[table.hour].alias("hour"), partition).count().collect():
        hour = checksums.as_hour(datetime.fromisoformat(row["hour"]).replace(tzinfo=UTC))
        counts[hour] = max(counts.get(hour, 0), row["count"])
    return counts


def _is_closed(window: Window, table: Table, hour: datetime) -> bool:
    """Whether an hour (day) ended at least `quiet_hours` ago, is within retention and is not due."""
    end = hour + (DAY if table.daily else timedelta(hours=1))
    first = window.kept_from(table)
    quiet = timedelta(hours=window.context.settings.maintenance.quiet_hours)
    return hour not in window.due[table.name] and end <= window.now - quiet and (first is None or hour >= first)


def rewrite_all(window: Window, table: Table, hours: list[datetime]) -> None:
    """Rewrite hours, one commit each, so that a run that changes one of them conflicts with that commit only."""
    for hour in hours:
        rewrite(window, table, hour)


def rewrite(window: Window, table: Table, hour: datetime) -> None:
    """Rewrite the files of one hour.

    Raises ContractViolation, before anything is committed, when the rewrite would change rows.
    """
    context = window.context
    txn = Transaction(context.spark, context.uri(table))
    rows = txn.read(in_hours(table, [hour]))
    staged = txn.stage(lay_out(rows, table, 1))
    if checksums.by_hour(staged, table) != checksums.by_hour(rows, table):
        raise ContractViolation(f"{table.name}, {hour:%Y-%m-%dT%H}: compaction would change rows; nothing was changed.")
    entry = context.begin(table)
    txn.remove(in_hours(table, [hour]))
    entry.output_version = txn.commit(metadata(entry))
    record(context, entry, reason="compaction")


def optimize(window: Window, table: Table) -> None:
    """Compact a table without hours with Delta's OPTIMIZE. Raises ConflictError when a run changes it meanwhile."""
    context, entry = window.context, window.context.begin(table)
    uri = context.uri(table)
    with delta.translate_conflicts(uri), delta.commit_metadata(context.spark, uri, metadata(entry)):
        context.spark.sql(f"OPTIMIZE delta.`{uri}`")
    entry.output_version = delta.current_version(context.spark, uri)
    record(context, entry, reason="compaction")
