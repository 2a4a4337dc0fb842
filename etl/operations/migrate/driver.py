"""Brings every table of a lake to its contract: `feed-etl migrate`. See docs/migrate.md."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import ddl, migration, runner
from etl.engine.jobs.contract_changes import Change
from etl.engine.jobs.run_context import RunContext
from etl.engine.spark import files
from etl.engine.state import ledger_table
from etl.engine.state.ledger import Ledger
from etl.model.contract import Table

Show = Callable[[Change], None]


def migrate(
    spark: SparkSession, settings: Settings, dry_run: bool = False, show: Show = lambda _change: None
) -> list[Change]:
    """Apply every safe change; returns all changes, also those that are refused.

    With `dry_run` nothing is written. Raises LakeError when there is no lake, ConflictError when a run changed a table
    at the same time: run again.
    """
    Ledger.existing(spark, files.absolute(settings.lake))
    context = runner.open_context(spark, settings)
    found = _of_ledger(context.ledger, dry_run, show)
    try:
        for table in catalog.tables():
            if delta.is_table(spark, context.uri(table)):
                found += _of_table(context, table, dry_run, show)
    finally:
        if not dry_run:
            context.ledger.flush()
    return found


def _of_ledger(ledger: Ledger, dry_run: bool, show: Show) -> list[Change]:
    """What a ledger of an earlier release lacks. A run adds it, too, before it writes to the ledger."""
    missing = ledger_table.missing(ledger.spark, ledger.uri)
    if not missing:
        return []
    change = Change("_ledger", f"add {', '.join(missing)}", ledger_table.UPGRADE)
    show(change)
    if not dry_run:
        ledger.upgrade()
    return [change]


def _of_table(context: RunContext, table: Table, dry_run: bool, show: Show) -> list[Change]:
    due = ddl.changes(context.spark, table, context.uri(table))
    safe, refused = [c for c in due if c.is_safe], [c for c in due if not c.is_safe]
    found = []
    for change in chain(safe if dry_run or not safe else migration.apply(context, table), refused):
        show(change)
        found.append(change)
    return found
