"""Restores tables, the ledger, and what an erasure has removed. After a kill the same command continues.

The order is what makes it safe. First the marker locks commands out. Then the ledger gets the id of the restore, which
ends commands that are active. Then each table gets one commit that makes it what it was; a transaction that began
before conflicts with it. Then one commit of the ledger takes rows back. Then people on the list of erased people are
erased again. Last the marker is removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime

from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.delta.attempts import attempts
from etl.engine.delta.checksums import Content
from etl.engine.delta.listing import cached_listing
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import runner
from etl.engine.jobs.run_context import RunContext, metadata
from etl.engine.people import keys, pseudonyms, suppression
from etl.engine.spark import documents, files, locks, storage
from etl.engine.state import ledger_table, restores
from etl.engine.state.entry import PASSED, Entry
from etl.engine.state.ledger import Ledger
from etl.errors import ConflictError
from etl.operations.backfill.register import Register
from etl.operations.maintenance import driver as maintenance
from etl.operations.maintenance import sweep
from etl.operations.restore import plan as planning
from etl.operations.restore.plan import Plan, Point
from etl.operations.restore.timeline import Timeline
from etl.operations.retention import window

Show = Callable[[str], None]


def plan(spark: SparkSession, settings: Settings, point: Point) -> Plan:
    """Plan a restore, and change nothing.

    Raises ConflictError while a backfill is in flight, LakeError while another restore is not finished.
    """
    context = _open(spark, settings, f"restore-{runner.new_run_id()}")
    restores.refuse_unfinished(spark, _lake(settings))
    if in_flight := [b.id for b in Register(spark, _lake(settings)).all() if b.in_flight]:
        raise ConflictError(f"Backfill {in_flight[0]} is in flight. Resume it, or `feed-etl backfill cancel` it first.")
    return planning.make(context, point)


def restore(spark: SparkSession, settings: Settings, planned: Plan, show: Show) -> None:
    """Restore a lake as planned. `show` gets a line for each step."""
    time = planned.time and planned.time.isoformat()
    document = json.dumps({"id": planned.id, "time": time, "targets": dict(planned.targets)})
    with _locked(settings):
        restores.refuse_unfinished(spark, _lake(settings))
        documents.create(spark, restores.marker(_lake(settings)), document)
        _run(spark, settings, show)


def unfinished(spark: SparkSession, settings: Settings) -> str | None:
    """The id of a restore that was not finished; None when there is none."""
    text = documents.read(spark, restores.marker(_lake(settings)))
    return None if text is None else str(json.loads(text)["id"])


def finish(spark: SparkSession, settings: Settings, show: Show) -> None:
    """Finish a restore that was killed."""
    with _locked(settings):
        _run(spark, settings, show)


def _lake(settings: Settings) -> str:
    return files.absolute(settings.lake)


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """Hold the lock of a restore on a local lake. Raises ConflictError when another process restores it."""
    if not _lake(settings).startswith("file:"):
        yield
        return
    with locks.held(files.local_folder(settings.lake) / ".restore-lock", minutes=0):
        yield


def _open(spark: SparkSession, settings: Settings, run_id: str) -> RunContext:
    """A context that is not locked out by a restore. Raises ConfigError when a key of the lake is missing."""
    delta.forget_snapshots(spark)
    keys.refuse_inside(settings)
    storage.check(spark, settings)
    ledger = Ledger.existing(spark, _lake(settings))
    context = RunContext(spark, settings, ledger, run_id, cached_listing(spark))
    for table in catalog.tables():
        pseudonyms.check(spark, table, context.uri(table))
    suppression.load(spark, _lake(settings))
    return context


def _run(spark: SparkSession, settings: Settings, show: Show) -> None:
    """Do what the marker says and is not done yet, then remove the marker."""
    marker = restores.marker(_lake(settings))
    document = json.loads(documents.read(spark, marker) or "")
    ledger_uri = f"{_lake(settings)}/_ledger"
    restores.note(spark, ledger_uri, document["id"])
    context = _open(spark, settings, document["id"])
    time = document["time"] and datetime.fromisoformat(document["time"])
    state = planning.at(context, document["targets"], time)
    restored = _restore_tables(context, state, show) if state.moves else []
    _write_ledger(context, [*state.rows, *restored])
    show(f"_ledger: {len(state.taken_back)} rows are superseded")
    _erase_again(context, show)
    files.delete(spark, marker)


def _restore_tables(context: RunContext, state: Plan, show: Show) -> list[Entry]:
    """Restore the tables that are not restored yet; returns the ledger row of each."""
    made = []
    for name, version in state.targets.items():
        line = state.timelines[name]
        done = line.by_version[line.newest].entry
        if done is None or done.run_id != context.run_id:
            done = _restore_table(context, line, version, state.rows)
            show(f"{name}: version {version} is now version {done.output_version}")
        made.append(done)
    return made


def _restore_table(context: RunContext, line: Timeline, version: int, rows: list[Entry]) -> Entry:
    """Make a table what it was at a version, without the hours that retention removed since."""
    table, uri = line.table, context.uri(line.table)
    entry = context.begin(table)
    entry.reason, entry.restored_to, entry.kept_from = f"restored to version {version}", version, line.kept_from
    entry.published_hours = [Content().state(hour) for hour in _expired(line, rows)]
    for attempt in attempts():
        with attempt, delta.translate_conflicts(table.name):
            txn = Transaction(context.spark, uri)
            txn.restore(version, line.is_expired, table.hour, (restores.PROPERTY, context.run_id))
            entry.seen_version = entry.output_version = txn.version + 1
            entry.output_version = txn.commit(metadata(entry))
    return entry


def _expired(line: Timeline, rows: list[Entry]) -> list[datetime]:
    """The hours that have rows at the point and that retention removed since."""
    published = (e for e in rows if e.table_name == line.table.name and e.verdict == PASSED)
    states = {state["hour"]: state["row_count"] for e in published for state in e.published_hours}
    return sorted(hour for hour, count in states.items() if count and line.kept_from and hour < line.kept_from)


def _write_ledger(context: RunContext, rows: list[Entry]) -> None:
    """Replace the rows of the ledger by those of the point, in one commit."""
    distinct = {(e.run_id, e.table_name, e.started_at): e for e in rows}
    ordered = sorted(distinct.values(), key=lambda e: e.started_at)
    context.ledger.upgrade()
    txn = Transaction(context.spark, context.ledger.uri)
    txn.read("true")
    table_rows = [ledger_table.as_row(asdict(entry)) for entry in ordered]
    txn.stage(context.spark.createDataFrame(table_rows, ledger_table.SCHEMA).coalesce(1))
    txn.remove("true")
    txn.commit(context.run_id)
    context.ledger.refresh()


def _erase_again(context: RunContext, show: Show) -> None:
    """Search everything for erased people and erase them again: the list of erased people was not restored."""
    spark, lake = context.spark, _lake(context.settings)
    if suppression.load(spark, lake) is None:
        return
    files.delete(spark, f"{lake}/_erasure/sweeps")
    delta.forget_snapshots(spark)
    for action in sweep.plan(window.look(context, [], None)):
        show(f"{action.place}: {action.what}")
        if action.do:
            maintenance.do(context, action)
