"""Compacts the ledger: old rows of a table become one row that gives runs the same answers.

The ledger must answer these questions as before: which hours are due, which files landed, what each hour holds, how far
retention went, and which logic version builds a table. What only reports show is lost: the gate results and the seconds
of each old run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from etl import catalog
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs.run_context import RunContext
from etl.engine.state import ledger_table, measures, planner
from etl.engine.state.entry import ACCEPTED, DAMAGED, Entry
from etl.engine.state.ledger import Ledger
from etl.engine.state.ledger_table import SCHEMA
from etl.operations.retention.action import Action
from etl.operations.retention.window import DAY, Window

STEP = "ledger"
COMPACTED = "folded"  # run_id of a row that replaces many; ledgers of earlier releases have the same value
KEPT_FIELDS = ("kept_from", "compacted_to", "logic_version")
KEPT_BY_NAME = ("kept_from", "logic_version")  # kept even from rows of an earlier table of the same name
SUMMED_FIELDS = ("records_read", "records_accepted", "records_quarantined", "rows_written")


def plan(window: Window) -> Iterator[Action]:
    """Yield an action when the ledger has old rows. It is held while any hour is due, since that needs the old rows."""
    before = window.today - window.context.settings.maintenance.ledger_days * DAY
    old = [e for e in window.context.ledger.entries if _is_old(e, before) and e.run_id != COMPACTED]
    if not old:
        return
    due = sorted(name for name, hours in window.due.items() if hours)
    if due:
        yield Action(STEP, "_ledger", f"{len(old)} rows are past their time, but hours are due of {', '.join(due)}")
    else:
        what = f"{len(old)} rows of runs before {before:%Y-%m-%d} compacted to one per table"
        yield Action(STEP, "_ledger", what, lambda: compact_ledger(window.context, before))


def compact_ledger(context: RunContext, before: datetime) -> None:
    """Replace rows of runs before a time by one row per table, in one commit.

    Raises ConflictError when a run adds a row to the ledger meanwhile.
    """
    context.ledger.flush()
    context.ledger.upgrade()
    txn = Transaction(context.spark, context.ledger.uri)
    txn.read("true")
    context.ledger.refresh()
    entries = context.ledger.entries
    old = [e for e in entries if _is_old(e, before)]
    kept = [e for e in entries if not _is_old(e, before)]
    by_table = {name: [e for e in old if e.table_name == name] for name in catalog.entries()}
    compacted = [compact_rows(context.ledger, rows) for rows in by_table.values() if rows]
    rows = [ledger_table.as_row(asdict(entry)) for entry in [*compacted, *kept]]
    txn.stage(context.spark.createDataFrame(rows, SCHEMA).coalesce(1))
    txn.remove("true")
    txn.commit(COMPACTED)
    context.ledger.refresh()


def _is_old(entry: Entry, before: datetime) -> bool:
    """Whether a row may be compacted. What somebody accepted stays as it is."""
    return entry.started_at < before and entry.verdict != ACCEPTED


def compact_rows(ledger: Ledger, old: list[Entry]) -> Entry:
    """Return one row for the rows of one table, given oldest first.

    Nothing is due, so downstream tables have consumed all affected hours; only damaged hours are kept.
    """
    compacted = Entry(COMPACTED, old[-1].table_name, old[-1].started_at, reason=f"{len(old)} rows")
    compacted.table_id = ledger.table_id(compacted.table_name)
    compacted.code_version = old[-1].code_version
    published = _published(ledger, old)
    _keep_newest(compacted, [e for e in old if e.verdict == "passed"], KEPT_BY_NAME)
    _keep_newest(compacted, published, KEPT_FIELDS)
    _keep_hours(ledger, compacted, published)
    _keep_inputs(ledger, compacted, published)
    _add_up(compacted, published)
    return compacted


def _published(ledger: Ledger, old: list[Entry]) -> list[Entry]:
    """Return the rows that published the table that exists now, not an earlier table of the same name."""
    current = {id(e) for e in ledger.published(old[-1].table_name)}
    return [e for e in old if id(e) in current]


def _keep_newest(compacted: Entry, old: list[Entry], names: tuple[str, ...]) -> None:
    """Set each of these fields to the newest value that is not None, if the rows have one."""
    for name in names:
        if values := [value for e in old if (value := getattr(e, name)) is not None]:
            setattr(compacted, name, values[-1])


def _keep_hours(ledger: Ledger, compacted: Entry, published: list[Entry]) -> None:
    """Set what is recorded by hour: processed, published and damaged hours, and landed files."""
    compacted.processed_hours = sorted({hour for e in published for hour in e.processed_hours})
    compacted.published_hours = _latest_states(ledger, compacted.table_name, published)
    if damaged := ledger.damaged(compacted.table_name):
        compacted.affected_hours = {DAMAGED: sorted(damaged)}
    compacted.fingerprints = {hour: fingerprint for e in published for hour, fingerprint in e.fingerprints.items()}
    landed = {files["hour"]: files for e in published for files in e.landed}
    compacted.landed = [files for _, files in sorted(landed.items())]
    compacted.measures = measures.recent([m for e in published for m in e.measures])


def _latest_states(ledger: Ledger, table_name: str, published: list[Entry]) -> list[dict[str, object]]:
    """Return the latest state of each hour, without empty hours that retention has closed."""
    first_open = planner.open_from(ledger, catalog.entry(table_name).table)
    states = {state["hour"]: state for e in published for state in e.published_hours}
    return [
        state
        for hour, state in sorted(states.items())
        if state["row_count"] or first_open is None or hour >= first_open
    ]


def _keep_inputs(ledger: Ledger, compacted: Entry, published: list[Entry]) -> None:
    """Set the newest consumed version of each input. Versions of an input that was created again since are left out."""
    for e in published:
        for name, version in e.input_versions.items():
            if ledger.is_current(name, e.input_ids.get(name)):
                compacted.input_versions[name] = max(version, compacted.input_versions.get(name, 0))
                compacted.input_ids |= {name: e.input_ids[name]} if name in e.input_ids else {}


def _add_up(compacted: Entry, published: list[Entry]) -> None:
    for name in SUMMED_FIELDS:
        setattr(compacted, name, sum(getattr(e, name) for e in published))
    compacted.seconds = round(sum(e.seconds for e in published), 3)
    versions = [e.output_version for e in published if e.output_version is not None]
    compacted.output_version = max(versions, default=None)
