"""The ledger keeps each run for some months; older rows are folded to one per table that answers the same questions.

What is due, what was landed, what an hour holds, where retention stands and which logic makes a table must be the same
before and after. Runs of long ago lose what only reports show: their gates, their seconds one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from etl import catalog
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs.run_context import RunContext
from etl.engine.state import ledger_table, planner
from etl.engine.state.entry import DAMAGED, Entry
from etl.engine.state.ledger import Ledger
from etl.engine.state.ledger_table import SCHEMA
from etl.operations.retention.action import Action
from etl.operations.retention.window import DAY, Window

STEP = "ledger"
FOLDED = "folded"  # run_id of a row that stands for many
LASTING = ("kept_from", "compacted_to", "logic_version")
OF_THE_NAME = ("kept_from", "logic_version")  # of these, what a table keeps that is made anew


def plan(window: Window) -> Iterator[Action]:
    """One action when there are rows past their time. Held back while anything is due: its past is still needed."""
    before = window.today - window.context.settings.maintenance.ledger_days * DAY
    old = [e for e in window.context.ledger.entries if e.started_at < before and e.run_id != FOLDED]
    if not old:
        return
    due = sorted(name for name, hours in window.due.items() if hours)
    if due:
        yield Action(STEP, "_ledger", f"{len(old)} rows are past their time, but hours are due of {', '.join(due)}")
    else:
        what = f"{len(old)} rows of runs before {before:%Y-%m-%d} folded to one per table"
        yield Action(STEP, "_ledger", what, lambda: fold(window.context, before))


def fold(context: RunContext, before: datetime) -> None:
    """Rewrite the ledger in one commit. Raises ConflictError when a run recorded something meanwhile."""
    context.ledger.flush()
    context.ledger.upgrade()
    txn = Transaction(context.spark, context.ledger.uri)
    txn.read("true")
    context.ledger.refresh()
    entries = context.ledger.entries
    old = [e for e in entries if e.started_at < before]
    kept = [e for e in entries if e.started_at >= before]
    by_table = {name: [e for e in old if e.table_name == name] for name in catalog.entries()}
    folded = [folding(context.ledger, rows) for rows in by_table.values() if rows]
    rows = [ledger_table.as_row(asdict(entry)) for entry in [*folded, *kept]]
    txn.stage(context.spark.createDataFrame(rows, SCHEMA).coalesce(1))
    txn.remove("true")
    txn.commit(FOLDED)
    context.ledger.refresh()


def folding(ledger: Ledger, old: list[Entry]) -> Entry:
    """Rows of one table, oldest first -> one row. Nothing is due, so what was touched has been read by all."""
    whole = Entry(FOLDED, old[-1].table_name, old[-1].started_at, reason=f"{len(old)} rows")
    there = {id(e) for e in ledger.published(whole.table_name)}  # not those of a table that was there before
    passed = [e for e in old if id(e) in there]
    whole.table_id = ledger.table_id(whole.table_name)
    first = planner.open_from(ledger, catalog.entry(whole.table_name).table)
    hours = {state["hour"]: state for e in passed for state in e.published_hours}
    whole.published_hours = [s for h, s in sorted(hours.items()) if s["row_count"] or first is None or h >= first]
    whole.processed_hours = sorted({hour for e in passed for hour in e.processed_hours})
    whole.fingerprints = {hour: fingerprint for e in passed for hour, fingerprint in e.fingerprints.items()}
    landed = {found["hour"]: found for e in passed for found in e.landed}
    if damaged := ledger.damaged(whole.table_name):
        whole.affected_hours = {DAMAGED: sorted(damaged)}
    whole.landed = [found for _, found in sorted(landed.items())]
    _carry(whole, [e for e in old if e.verdict == "passed"], OF_THE_NAME)
    _carry(whole, passed, LASTING)
    for e in passed:
        for name, version in e.input_versions.items():
            if ledger.is_there(name, e.input_ids.get(name)):
                whole.input_versions[name] = max(version, whole.input_versions.get(name, 0))
                whole.input_ids |= {name: e.input_ids[name]} if name in e.input_ids else {}
        for name in ("records_read", "records_accepted", "records_quarantined", "rows_written"):
            setattr(whole, name, getattr(whole, name) + getattr(e, name))
    whole.seconds = round(sum(e.seconds for e in passed), 3)
    whole.output_version = max((e.output_version for e in passed if e.output_version is not None), default=None)
    whole.code_version = old[-1].code_version
    return whole


def _carry(whole: Entry, old: list[Entry], names: tuple[str, ...]) -> None:
    """Set each of these fields to its newest value among rows, oldest first, that have one."""
    for name in names:
        if found := [value for e in old if (value := getattr(e, name)) is not None]:
            setattr(whole, name, found[-1])
