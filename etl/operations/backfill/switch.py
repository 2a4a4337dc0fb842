"""Switches staged hours over to the live tables: one atomic commit per table-hour, recorded like any publish."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pyspark.sql import DataFrame

from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import in_hours
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs.fact_batch import affected_elsewhere, differing
from etl.engine.jobs.recovery import recover
from etl.engine.jobs.run_context import metadata, record
from etl.engine.spark.layout import lay_out
from etl.engine.state import planner
from etl.engine.state.entry import Entry
from etl.errors import ConflictError
from etl.model.contract import Input, InsertNew, Table
from etl.operations.backfill import hours as lake_hours
from etl.operations.backfill.compare import HourDiff
from etl.operations.backfill.staging import LIVE, Staging


class LiveHourChanged(Exception):
    """A live hour changed after it was staged, so it must be built again."""


def switch(
    staging: Staging, table: Table, diffs: dict[tuple[str, datetime], HourDiff], check: Callable[[], None]
) -> None:
    """Switch over the waiting hours of a table. `check` is called before each hour and raises to stop.

    Raises LiveHourChanged when a live hour is not the one that was staged.
    """
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
    """Record the logic version of the backfill. From the first switched hour on, runs use the same logic."""
    logic = staging.backfill.logic
    if logic is not None and staging.live.ledger.logic(table.name) != logic:
        entry = staging.live.begin(table)
        entry.logic_version = logic
        record(staging.live, entry, reason=f"logic v{logic} from here on: {staging.backfill.reason}")
        staging.live.ledger.flush()


def _switch_hour(staging: Staging, table: Table, hour: datetime, diff: HourDiff) -> None:
    live = staging.live
    txn = Transaction(live.spark, live.uri(table))
    when_staged = staging.ledger.fingerprints(table.name)[hour.isoformat()]
    if lake_hours.fingerprints(live, table).get(hour, "") != when_staged:
        raise LiveHourChanged(f"{table.name}, {hour:%Y-%m-%dT%H} changed after it was staged")
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
        raise LiveHourChanged(str(error)) from error


def _entry(staging: Staging, table: Table, hour: datetime, diff: HourDiff) -> Entry:
    entry = staging.live.begin(table)
    entry.reason = f"backfill: {staging.backfill.reason}"
    entry.published_hours = [diff.staged.state(hour)]
    built = [e for e in staging.ledger.published(table.name) if hour in e.processed_hours][-1]
    entry.rules, entry.failures = built.rules, built.failures
    entry.measures = [each for each in built.measures if each["hour"] == hour]
    if isinstance(table.write, InsertNew) or staging.backfill.ads:
        # The hour does not hold all rows of any input hour, so no hour counts as processed.
        entry.input_versions, entry.input_ids = built.input_versions, built.input_ids
        return entry
    entry.processed_hours = [hour]
    for source in table.sources.values():
        name, name_when_staged = source.table.name, _name_when_staged(staging, source)
        entry.input_versions[name] = _version_read(staging, source, table, hour, built)
        if name_when_staged in built.input_ids:
            entry.input_ids[name] = built.input_ids[name_when_staged]
    return entry


def _name_when_staged(staging: Staging, source: Input) -> str:
    """Return the key under which the staging ledger keeps the live version of an input."""
    name = source.table.name
    return LIVE + name if name in staging.backfill.hours else name


def _version_read(staging: Staging, source: Input, table: Table, hour: datetime, built: Entry) -> int:
    """Return the newest live version of an input whose changes to this hour are in the staged rows.

    This is the version that staging read, with one exception. When the backfill also rebuilds the input and has
    switched it over, the staged rows contain the switched rows, so the version of that switch counts. The exception
    does not hold when another run has changed the input for this hour since, or when the input table was created
    again: its versions then started again from 0.
    """
    name_when_staged = _name_when_staged(staging, source)
    version_when_staged = built.input_versions[name_when_staged]
    if source.table.name not in staging.backfill.hours:
        return version_when_staged
    if not staging.live.ledger.is_current(source.table.name, built.input_ids.get(name_when_staged)):
        return version_when_staged
    later = _publishes_since(staging, source, table, hour, version_when_staged)
    if any(entry.run_id != staging.backfill.id for entry in later):
        return version_when_staged
    return max([version_when_staged, *(entry.output_version or 0 for entry in later)])


def _publishes_since(staging: Staging, source: Input, table: Table, hour: datetime, version: int) -> list[Entry]:
    """Return the live publishes of an input after a version that changed rows which this hour of the table reads."""
    published = staging.live.ledger.published(source.table.name)
    return [e for e in published if (e.output_version or 0) > version and _affects(e, source, table, hour)]


def _affects(entry: Entry, source: Input, table: Table, hour: datetime) -> bool:
    """Whether a publish of an input changed rows that this hour (day) of the table reads."""
    changed = entry.affected_hours.get(source.by or source.table.hour, [])
    return any(hour in planner.affected_hours(source, table, each) for each in changed)


def _affected_elsewhere(table: Table, old: DataFrame, new: DataFrame) -> dict[str, list[datetime]]:
    """Return the affected hours of differing rows by each other column that downstream tables read by."""
    return affected_elsewhere(table, differing(old, new), old.unionByName(new))
