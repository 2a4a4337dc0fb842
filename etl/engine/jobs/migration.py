"""Applies the safe changes of a contract to a table of the lake, one commit each."""

from __future__ import annotations

from collections.abc import Iterator

from etl.engine.delta import tables as delta
from etl.engine.jobs import ddl
from etl.engine.jobs.contract_changes import Change
from etl.engine.jobs.recovery import recover
from etl.engine.jobs.run_context import RunContext, record
from etl.model.contract import Table


def ensure(context: RunContext, table: Table) -> list[Change]:
    """Create a table, or apply what is safe to it. Returns the changes that are left: all of them are not safe.

    Raises ContractViolation when a run cannot work with the table as it then is.
    """
    spark, uri = context.spark, context.uri(table)
    if not delta.is_table(spark, uri):
        return ddl.ensure(spark, table, uri)
    due = ddl.changes(spark, table, uri)
    if any(change.is_safe for change in due):
        for _ in apply(context, table):
            pass
        due = ddl.changes(spark, table, uri)
    ddl.refuse(table, due)
    return due


def apply(context: RunContext, table: Table) -> Iterator[Change]:
    """Apply the safe changes of an existing table that has some, and yield each of them once it is committed.

    Another process that migrates the table waits, and then finds nothing to do. Raises ConflictError when a run changed
    the table at the same time.
    """
    uri = context.uri(table)
    with delta.commit_lock(f"{uri}.migrate", delta.lock_minutes(context.spark)):
        safe = [change for change in ddl.changes(context.spark, table, uri) if change.is_safe]
        if not safe:
            return
        recover(context, table)
        entry = context.begin(table)
        for change in safe:
            _commit(context, uri, change)
            yield change
        record(context, entry, reason=f"migrate: {'; '.join(change.what for change in safe)}")


def _commit(context: RunContext, uri: str, change: Change) -> None:
    """Make one change in one commit. Its text does not begin like a ledger row, so no run takes it for one."""
    with delta.translate_conflicts(uri), delta.commit_metadata(context.spark, uri, f"migrate: {change.what}"):
        context.spark.sql(f"ALTER TABLE delta.`{uri}` {change.statement}")
