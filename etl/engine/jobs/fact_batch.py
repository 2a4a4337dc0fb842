"""The batch of a fact: its rows, what is published of its keys, and the audit and the publish of what is staged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame

from etl.engine.delta import checksums
from etl.engine.delta.checksums import Content
from etl.engine.delta.partitions import in_hours
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs.audit import Audit, audited, compared, enforce
from etl.engine.jobs.run_context import RunContext, publish
from etl.engine.spark.layout import sort_within_tasks
from etl.engine.state.entry import Entry
from etl.model.contract import InsertNew, Table


@dataclass(frozen=True)
class Batch:
    """The rows that a run has for a fact, and the transaction that publishes them.

    rows: all rows, with duplicates. hours: hour -> number of rows. published_hours: hours in which keys of the batch
    are published already. published_hashes: key and `_hash` of these published rows; None when there are none.
    """

    context: RunContext
    table: Table
    entry: Entry
    txn: Transaction
    rows: DataFrame
    hours: dict[datetime, int]
    published_hours: list[datetime]
    published_hashes: DataFrame | None = None

    @property
    def key(self) -> list[str]:
        """The columns of the key."""
        return list(self.table.key)

    @property
    def new(self) -> DataFrame:
        """Rows whose key is not published."""
        if self.published_hashes is None:
            return self.rows
        return self.rows.join(self.published_hashes, self.key, "left_anti")

    def published(self) -> DataFrame:
        """All published rows of the hours in which keys of the batch are published."""
        return self.txn.read(in_hours(self.table, self.published_hours))


def audit_batch(batch: Batch, staged: DataFrame) -> Audit:
    """The audit of the staged rows of a batch."""
    return audited(batch.context, batch.table, staged, batch.txn.staged_hours(batch.table.hour))


def publish_batch(batch: Batch, staged: DataFrame, audit: Audit, rewritten: DataFrame | None = None) -> None:
    """Enforce the verdict of the audit, then commit the staged rows in place of the rows of rewritten files.

    Raises GateFailed when the verdict is negative.
    """
    context, table, entry, txn = batch.context, batch.table, batch.entry, batch.txn
    added = audit.contents
    removed = checksums.by_hour(rewritten, table) if rewritten is not None else {}
    hours = sorted({*added, *removed})
    known, nothing = published_contents(context, table, txn), Content()
    before = checksums.canonical({h: known[h] for h in hours if h in known}, table, txn.read)
    after = {h: before.get(h, nothing) - removed.get(h, nothing) + added.get(h, nothing) for h in hours}
    failures = compared(context, table, entry, audit, after)
    enforce(context, table, staged, entry, audit.verdict.with_failures(failures))
    copied_rows = sum(c.rows for c in removed.values()) - (entry.corrections or 0)
    entry.rows_written = sum(c.rows for c in added.values()) - copied_rows
    if hours:
        changed = staged if rewritten is None else differing(rewritten, staged)
        rows_of_hours = txn.read(in_hours(table, hours)).unionByName(staged)
        entry.affected_hours = {table.hour: hours, **affected_elsewhere(table, changed, rows_of_hours)}
    else:
        txn.keep_partitions(set(), table.hour)
    publish(context, table, txn, entry, after)


def published_contents(context: RunContext, table: Table, txn: Transaction) -> dict[datetime, Content]:
    """Hour -> rows and checksum (of any method), from the ledger; computed from the table when that has none."""
    states = context.ledger.state(table.name)
    if states:
        return {hour: Content.of(state) for hour, state in states.items()}
    return checksums.by_hour(context.read(table, txn.version), table)


def drop_equal_rows(partitioned: DataFrame, table: Table) -> DataFrame:
    """Each row once, in file order. Equal rows are in one range partition already, so Spark does not shuffle again."""
    return sort_within_tasks(partitioned.dropDuplicates(list(table.column_names)), table)


def differing(old: DataFrame, new: DataFrame) -> DataFrame:
    """The rows that are in only one of two DataFrames with the same columns."""
    return old.exceptAll(new).unionByName(new.exceptAll(old))


def affected_elsewhere(table: Table, changed: DataFrame, rows: DataFrame) -> dict[str, list[datetime]]:
    """Column -> hours by that column, other than the table's own, that a change affects.

    changed: the rows that change. rows: all rows of their hours. Empty when the write mode has no hook for it.
    """
    if not isinstance(table.write, InsertNew) or table.write.affected_hours is None:
        return {}
    column = table.write.affected_by
    hours = table.write.affected_hours(changed, rows).select(column).where(f"{column} IS NOT NULL").distinct()
    return {column: sorted(checksums.as_hour(row[0]) for row in hours.collect())}
