"""Makes the due hours of a table when many hours wait: one that fails does not hold back the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from etl import catalog
from etl.engine.jobs import derive, land, run_errors
from etl.engine.jobs.run_context import RunContext
from etl.engine.landing import reader
from etl.engine.landing.arrivals import EMPTY
from etl.engine.spark import files
from etl.engine.state import order, planner
from etl.engine.state.entry import Entry
from etl.errors import FeedEtlError
from etl.model.contract import Table

MakeTable = Callable[[RunContext, Table], Entry | None]
"""Makes the due hours of a table that the context selects; raises FeedEtlError."""

MAX_IN_A_ROW = 5
"""After so many failed hours of a table, one after the other, a run leaves its other hours."""


@dataclass
class Result:
    """What came of the hours of a table: the ledger rows of those that were made, and the errors of the others."""

    entries: list[Entry] = field(default_factory=list)
    errors: list[FeedEtlError] = field(default_factory=list)


def is_backlog(context: RunContext, tables: list[Table]) -> bool:
    """Whether more landed hours of a table wait than a run makes in the plain order of lineage.

    An hour of which more files have landed does not count: to find it, every file must be listed.
    """
    limit = context.settings.backlog.ordered_above
    assert context.interval
    if len(planner.hours_between(*context.interval)) <= limit:
        return False
    landed = (
        table for table in tables if catalog.has_job(table) and (table.event or planner.reads_landed_hours(table))
    )
    return any(len(_waiting(context, table)) > limit for table in landed)


def _waiting(context: RunContext, table: Table) -> list[datetime]:
    """The landed hours of the interval that wait for a table."""
    if not table.event:
        return derive.due_hours(context, table)
    assert context.interval
    start, end = context.interval
    read = context.ledger.fingerprints(table.name)
    folders = files.list_folders(context.spark, reader.event_uri(context.settings, table.event))
    hours = filter(None, (reader.hour_of(folder.name) for folder in folders))
    return [hour for hour in hours if start <= hour < end and read.get(hour.isoformat(), EMPTY) == EMPTY]


def make_at_once(context: RunContext, table: Table, make: MakeTable) -> Result:
    """Make all due hours of a table at once; the caller records the error."""
    try:
        entry = make(context, table)
    except FeedEtlError as error:
        return Result(errors=[error])
    return Result([entry] if entry else [])


def make_hours(context: RunContext, table: Table, make: MakeTable, each_alone: bool) -> Result:
    """Make the due hours of a table: each alone, or all at once, and each alone only when that fails.

    A failed hour is recorded at once. It holds back the later hours of a table that is made in order. When many hours
    fail one after the other, the cause is not the hours: the rest is left to the next run.
    """
    hours = [] if table.chain else _due(context, table)  # a chain makes its days one by one itself
    if not each_alone or not hours:
        result = make_at_once(context, table, make)
        if not result.errors or not hours:
            _note_errors(context, table, hours, result.errors)
            return result
    return _make_each(context, table, make, order.sort_hours(table, hours))


def _make_each(context: RunContext, table: Table, make: MakeTable, hours: list[datetime]) -> Result:
    result, in_a_row = Result(), 0
    for i, hour in enumerate(hours):
        alone = _of_hour(context, table, hour)
        made = make_at_once(alone, table, make)
        _note_errors(alone, table, [hour], made.errors)
        result.entries += made.entries
        result.errors += made.errors
        in_a_row = in_a_row + 1 if made.errors else 0
        if made.errors and (table.is_ordered or in_a_row == MAX_IN_A_ROW):
            _not_made(context, table, hours[i + 1 :])
            break
    return result


def _due(context: RunContext, table: Table) -> list[datetime]:
    if table.event:
        return [landed.hour for landed in land.pending(context, table)]
    return derive.due_hours(context, table)


def _of_hour(context: RunContext, table: Table, hour: datetime) -> RunContext:
    """The run for one hour (day) of a table."""
    end = hour + (24 if table.daily else 1) * planner.HOUR
    return replace(context, interval=(hour, end), selection=replace(context.selection, only=frozenset([hour])))


def _note_errors(context: RunContext, table: Table, hours: list[datetime], errors: list[FeedEtlError]) -> None:
    """Record the errors of some hours, and that these hours are not made."""
    if errors:
        run_errors.record(context, {table.name: errors[0]}, [])
        _not_made(context, table, hours)


def _not_made(context: RunContext, table: Table, hours: list[datetime]) -> None:
    """Note hours that tables which read them must wait for."""
    context.selection.not_made.setdefault(table.name, set()).update(hours)
