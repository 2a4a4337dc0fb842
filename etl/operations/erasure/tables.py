"""Erases people from one table: one commit rewrites the files that hold them, and no others.

The commit carries its ledger row like any publish. Checksums are sums over rows, so the checksum of an hour is updated
by subtracting the old rows of the people and adding the new ones. The ledger row has no affected hours, so downstream
tables are not rebuilt.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame

from etl.engine.delta import checksums
from etl.engine.delta.checksums import Content
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import ddl
from etl.engine.jobs.recovery import recover
from etl.engine.jobs.run_context import RunContext, metadata, record
from etl.engine.people.suppression import SuppressionList
from etl.engine.spark.layout import lay_out
from etl.model.contract import Table
from etl.model.privacy import Role
from etl.operations.erasure import rules


def erase(
    context: RunContext, table: Table, people: Sequence[int], suppressed: SuppressionList, people_digest: str
) -> bool:
    """Erase people from a table. Returns False when it has no rows of them.

    The reason of the ledger row has the digest of the people, so that a repeated erasure finds what an earlier one did.
    Raises ConflictError when a run commits meanwhile; try again.
    """
    names_one = rules.predicate(table, suppressed.role, people)
    recover(context, table)
    txn = context.transaction(table)
    rows = txn.read_for_rewrite(names_one)
    if rows is None:
        return False
    entry = context.begin(table)
    naming_rows = rows.where(names_one)
    kept = ddl.conform(rules.without_people(table, rows, people, suppressed), table)
    if table.hour:
        before = checksums.by_hour(naming_rows, table)
        after = _contents(table, rules.without_people(table, naming_rows, people, suppressed))
        entry.published_hours = _states(context, table, txn, before, after)
        entry.rows_erased = sum(content.rows for content in before.values())
        kept = lay_out(kept, table, rows.select(table.hour).distinct().count())
    else:
        entry.rows_erased = naming_rows.count()
    entry.reason = _reason(people_digest)
    txn.stage(kept)
    entry.output_version = txn.commit(metadata(entry))
    record(context, entry, reason=entry.reason)
    return True


def done(context: RunContext, table: Table, role: Role, people_digest: str) -> dict[str, Any]:
    """Return what this erasure and earlier ones did to a table for some people. Empty when it had no rows of them."""
    found = [e for e in context.ledger.published(table.name) if e.reason.startswith(_reason(people_digest))]
    rule = rules.rule(table, role)
    if not found or not rule:
        return {}
    rows, hours = (
        sum(e.rows_erased or 0 for e in found),
        {state["hour"] for e in found for state in e.published_hours},
    )
    return {"rule": rule.value, "rows": rows, "hours": len(hours), "version": found[-1].output_version}


def _reason(people_digest: str) -> str:
    return f"erasure of {people_digest}"


def _contents(table: Table, rows: DataFrame) -> dict[datetime, Content]:
    return checksums.by_hour(ddl.conform(rows, table), table)


def _states(
    context: RunContext,
    table: Table,
    txn: Transaction,
    before: dict[datetime, Content],
    after: dict[datetime, Content],
) -> list[dict[str, Any]]:
    """Return the new states of the hours that had rows of the people. Hours that the ledger lacks are left out."""
    states = context.ledger.state(table.name)
    recorded = {hour: Content.of(states[hour]) for hour in sorted(before.keys() & states.keys())}
    totals = checksums.canonical(recorded, table, txn.read)
    return [(total - before[hour] + after.get(hour, Content())).state(hour) for hour, total in totals.items()]
