"""Erased people out of one table: the files that hold them are written anew in one commit, others are not touched.

The commit carries its ledger row like any publish. Hours keep true checksums: they are sums over rows, so what the
viewer's rows were is taken off and what they are now is added. Nothing is touched: nothing is made again because of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame

from etl.engine.delta import checksums
from etl.engine.delta.checksums import Content
from etl.engine.jobs import ddl
from etl.engine.jobs.recovery import recover
from etl.engine.jobs.run_context import RunContext, metadata, record
from etl.engine.people.suppression import SuppressionList
from etl.engine.spark.layout import lay_out
from etl.model.contract import Table
from etl.model.privacy import Role
from etl.operations.erasure import rules


def erase(context: RunContext, table: Table, people: Sequence[int], suppressed: SuppressionList, mark: str) -> bool:
    """Commit a table without some people; False when it has nothing of them. Raises ConflictError to be tried again.

    The mark is what the ledger knows them by: an erasure that is repeated finds what one before it has done.
    """
    named = rules.holds(table, suppressed.role, people)
    recover(context, table)
    txn = context.transaction(table)
    rows = txn.read_for_rewrite(named)
    if rows is None:
        return False
    entry = context.begin(table)
    theirs = rows.where(named)
    kept = ddl.conform(rules.changed(table, rows, people, suppressed), table)
    if table.hour:
        before = checksums.by_hour(theirs, table)
        after = _contents(table, rules.changed(table, theirs, people, suppressed))
        entry.published_hours = _states(context, table, before, after)
        entry.rows_erased = sum(content.rows for content in before.values())
        kept = lay_out(kept, table, rows.select(table.hour).distinct().count())
    else:
        entry.rows_erased = theirs.count()
    entry.reason = _reason(mark)
    txn.stage(kept)
    entry.output_version = txn.commit(metadata(entry))
    record(context, entry, reason=entry.reason)
    return True


def done(context: RunContext, table: Table, role: Role, mark: str) -> dict[str, Any]:
    """What was done to a table for some people, by this erasure and any before; empty when it had nothing of them."""
    found = [e for e in context.ledger.published(table.name) if e.reason.startswith(_reason(mark))]
    rule = rules.rule(table, role)
    if not found or not rule:
        return {}
    rows, hours = (
        sum(e.rows_erased or 0 for e in found),
        {state["hour"] for e in found for state in e.published_hours},
    )
    return {"rule": rule.value, "rows": rows, "hours": len(hours), "version": found[-1].output_version}


def _reason(mark: str) -> str:
    return f"erasure of {mark}"


def _contents(table: Table, rows: DataFrame) -> dict[datetime, Content]:
    return checksums.by_hour(ddl.conform(rows, table), table)


def _states(
    context: RunContext, table: Table, before: dict[datetime, Content], after: dict[datetime, Content]
) -> list[dict[str, Any]]:
    """The hours a viewer was in as the ledger will know them; hours it knows nothing of stay so."""
    known = context.ledger.state(table.name)
    states = []
    for hour in sorted(before.keys() & known.keys()):
        was, old, new = Content.of(known[hour]), before[hour], after.get(hour, Content())
        rest = Content(was.rows - old.rows, was.high - old.high, was.low - old.low)
        states.append((rest + new).state(hour))
    return states
