"""The backlog: which hours of each table wait, and for how long. It needs the ledger and no Spark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl import catalog
from etl.engine.state import planner, recovery_list
from etl.engine.state.ledger import Ledger
from etl.engine.state.planner import FOLLOWING, Consumed
from etl.model.contract import Input, Table

Arrivals = Mapping[str, Mapping[datetime, datetime]]
"""Event -> landed hour -> when the first of its files arrived."""


@dataclass(frozen=True)
class Backlog:
    """What waits of one table.

    hours: the due hours (days), oldest first. since: when the one that waits longest became due. recovery: those of
    the hours that are on the recovery list.
    """

    table: str
    hours: tuple[datetime, ...] = ()
    since: datetime | None = None
    recovery: tuple[datetime, ...] = ()

    def age(self, now: datetime) -> timedelta:
        """How long the oldest due hour has waited; zero when none does."""
        return max(timedelta(), now - self.since) if self.since else timedelta()


def of_ledger(ledger: Ledger, landed: Arrivals | None = None) -> dict[str, Backlog]:
    """Table -> what waits of it, for every table that has a job, in the order data flows.

    landed: the hours with files in the landing zone. Without it, only the failed hours of a table with an event are
    known to wait: the ledger does not know a file that no run has read.
    """
    failed, listed = recovery_list.failed(ledger.entries), recovery_list.still_due(ledger)
    made = [table for table in catalog.tables() if catalog.has_job(table)]
    found = {}
    for table in made:
        since = _since(ledger, table, landed or {}, failed.get(table.name, {}))
        recovery = tuple(listed.get(table.name, ()))
        found[table.name] = Backlog(table.name, tuple(sorted(since)), min(since.values(), default=None), recovery)
    return found


def _since(
    ledger: Ledger, table: Table, landed: Arrivals, failed: Mapping[datetime, recovery_list.FailedHour]
) -> dict[datetime, datetime]:
    """Due hour of a table -> since when it waits."""
    if not table.event:
        return _due_since(ledger, table)
    again = recovery_list.due_of(ledger, table.name, failed)
    unread = _unread(ledger, table, landed.get(table.event.name, {}))
    return {hour: failed[hour].since for hour in again} | unread


def _unread(ledger: Ledger, table: Table, arrived: Mapping[datetime, datetime]) -> dict[datetime, datetime]:
    """Landed hour -> when it arrived, for the hours with files that no run has published."""
    read, first = ledger.fingerprints(table.name), planner.open_from(ledger, table)
    missing = set(planner.missing_hours(ledger, table))
    return {
        hour: at
        for hour, at in arrived.items()
        if (hour.isoformat() not in read or hour in missing) and (first is None or hour >= first)
    }


def _due_since(ledger: Ledger, table: Table) -> dict[datetime, datetime]:
    """Due hour -> when the first publish made it due."""
    due = planner.due(ledger, table, None)
    if not due:
        return {}
    consumed = ledger.consumed(table.name)
    since: dict[datetime, datetime] = {}
    for source in table.inputs:
        for hour, at in _publishes(ledger, source, table, consumed, set(due)):
            since[hour] = min(at, since.get(hour, at))
    last = max((e.started_at for e in ledger.published(table.name)), default=ledger.now())
    return {hour: since.get(hour, last) for hour in due}  # a later day of a chain waits since the day before changed


def _publishes(
    ledger: Ledger, source: Input, table: Table, consumed: Consumed, due: set[datetime]
) -> Iterator[tuple[datetime, datetime]]:
    """(due hour, time) of each publish of an input that the hour has not read yet."""
    for entry in ledger.published(source.table.name):
        column = FOLLOWING if source.as_of else source.by or source.table.hour
        for changed in entry.affected_hours.get(column, []):
            hours = (
                {hour for hour in due & consumed.keys() if planner.grain(table, changed) <= hour}
                if source.as_of
                else planner.affected_hours(source, table, changed) & due
            )
            for hour in hours:
                if (entry.output_version or 0) > consumed.get(hour, {}).get(source.table.name, -1):
                    yield hour, entry.started_at
