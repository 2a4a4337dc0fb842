"""Staged hours become live ones: one atomic commit per table-hour, recorded in the ledger like any publish."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pyspark.sql import DataFrame

from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs.insertjob import affected_elsewhere, differing
from etl.engine.jobs.recovery import recover
from etl.engine.jobs.run_context import in_hours, metadata, record
from etl.engine.spark.layout import lay_out
from etl.engine.state import planner
from etl.engine.state.entry import Entry
from etl.errors import ConflictError
from etl.model.contract import Input, InsertNew, Table
from etl.operations.backfill import hours as lake_hours
from etl.operations.backfill.compare import HourDiff
from etl.operations.backfill.staging import LIVE, Staging


class Moved(Exception):
    """A live hour changed after it was staged; it has to be built again."""


def switch(
    staging: Staging, table: Table, diffs: dict[tuple[str, datetime], HourDiff], check: Callable[[], None]
) -> None:
    """Switch the hours of a table that wait. `check` raises when the backfill was cancelled. Raises Moved."""
    waiting = staging.waiting(table)
    if not waiting:
        return
    pin_logic(staging, table)
    recover(staging.live, table)
    for source in table.inputs:
        recover(staging.live, source.table)
    try:
        for hour in waiting:
            check()
            _switch_hour(staging, table, hour, diffs[table.name, hour])
    finally:
        staging.live.ledger.flush()


def pin_logic(staging: Staging, table: Table) -> None:
    """From the first hour switched to other logic on, runs make the table with that logic, too."""
    logic = staging.backfill.logic
    if logic is not None and staging.live.ledger.logic(table.name) != logic:
        entry = staging.live.begin(table)
        entry.logic_version = logic
        record(staging.live, entry, reason=f"logic v{logic} from here on: {staging.backfill.reason}")
        staging.live.ledger.flush()


def _switch_hour(staging: Staging, table: Table, hour: datetime, diff: HourDiff) -> None:
    live = staging.live
    txn = Transaction(live.spark, live.uri(table))
    staged_for = staging.ledger.fingerprints(table.name)[hour.isoformat()]
    if lake_hours.marks(live, table).get(hour, "") != staged_for:
        raise Moved(f"{table.name}, {hour:%Y-%m-%dT%H} changed after it was staged")
    entry = _entry(staging, table, hour, diff)
    if diff.changed:
        old = txn.read(in_hours(table, [hour]))
        new = delta.read(live.spark, staging.uri(table)).where(in_hours(table, [hour]))
        entry.affected_hours = {table.hour: [hour], **_affected_elsewhere(table, old, new)}
        txn.stage(lay_out(new, table, 1))
        txn.remove(in_hours(table, [hour]))
        entry.rows_written = diff.staged.rows
        entry.output_version = _commit(txn, entry)
    record(live, entry, reason=entry.reason)
    if entry.output_version and entry.output_version > txn.version + 1:
        recover(live, table)


def _commit(txn: Transaction, entry: Entry) -> int:
    try:
        return txn.commit(metadata(entry))
    except ConflictError as error:
        raise Moved(str(error)) from error


def _entry(staging: Staging, table: Table, hour: datetime, diff: HourDiff) -> Entry:
    entry = staging.live.begin(table)
    entry.reason = f"backfill: {staging.backfill.reason}"
    entry.published_hours = [diff.staged.state(hour)]
    built = [e for e in staging.ledger.published(table.name) if hour in e.processed_hours][-1]
    entry.rules, entry.failures = built.rules, built.failures
    if isinstance(table.write, InsertNew) or staging.backfill.ads:  # of no input all that it holds: none is handled
        entry.input_versions, entry.input_ids = built.input_versions, built.input_ids
        return entry
    entry.processed_hours = [hour]
    for source in table.inputs:
        name = source.table.name
        live = LIVE + name if name in staging.backfill.hours else name
        entry.input_versions[name] = _version_read(staging, source, table, hour, built)
        if live in built.input_ids:
            entry.input_ids[name] = built.input_ids[live]
    return entry


def _version_read(staging: Staging, source: Input, table: Table, hour: datetime, built: Entry) -> int:
    """The newest live version of an input whose change to an hour is in what was staged.

    An input that was staged, too, is live by now: its switch counts as read, unless another run changed it since.
    """
    name = source.table.name
    if name not in staging.backfill.hours:
        return built.input_versions[name]
    base = built.input_versions[LIVE + name]
    if not staging.live.ledger.is_there(name, built.input_ids.get(LIVE + name)):  # made anew: base is of another table
        return base
    column = source.by or source.table.hour
    later = [
        e
        for e in staging.live.ledger.published(name)
        if (e.output_version or 0) > base and _reaches(e, column, table, hour)
    ]
    if any(e.run_id != staging.backfill.id for e in later):
        return base
    return max([base, *(e.output_version or 0 for e in later)])


def _reaches(entry: Entry, column: str, table: Table, hour: datetime) -> bool:
    interval = 24 if table.daily else 1
    return any(
        hour <= affected_hours < hour + interval * planner.HOUR
        for affected_hours in entry.affected_hours.get(column, [])
    )


def _affected_elsewhere(table: Table, old: DataFrame, new: DataFrame) -> dict[str, list[datetime]]:
    """Hours by another column that rows which differ matter to, where other tables read by it."""
    return affected_elsewhere(table, differing(old, new), old.unionByName(new))
