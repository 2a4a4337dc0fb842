"""The recovery list: hours of a table that failed in three runs and were not made since, from the ledger alone.

Runs leave these hours out, so that they hold up nothing but what reads them; `feed-etl recover` tries them again. See
docs/decisions/0032-backlog.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from etl import catalog
from etl.engine.state import planner
from etl.engine.state.entry import ERROR, RECOVERED, Entry
from etl.engine.state.ledger import Ledger

MAX_FAILURES = 3
"""After so many runs that failed for an hour, the hour is on the list."""
NOT_OF_THE_HOUR = ("ConflictError", "LandingError", "ConfigError")
"""Errors that say nothing about an hour: another run was faster, or the machine was not set up."""


@dataclass
class FailedHour:
    """An hour of a table that failed and was not made since.

    runs: run id -> when it failed, oldest first. reason: of the newest failure. fingerprint: of the landed files that
    the newest failed run read; empty for a table that has no event, and where the run did not get so far.
    """

    table: str
    hour: datetime
    runs: dict[str, datetime] = field(default_factory=dict)
    reason: str = ""
    fingerprint: str = ""

    @property
    def since(self) -> datetime:
        """When the hour failed first."""
        return min(self.runs.values())

    @property
    def is_listed(self) -> bool:
        """Whether the hour is on the recovery list."""
        return len(self.runs) >= MAX_FAILURES


def failed(entries: Iterable[Entry]) -> dict[str, dict[datetime, FailedHour]]:
    """Table -> hour -> its failures since it was last made. `entries`: ledger rows, oldest first.

    A failure of several hours at once counts for each of them: which one is to blame shows when each is made alone.
    """
    found: dict[str, dict[datetime, FailedHour]] = {}
    for entry in entries:
        of_table = found.setdefault(entry.table_name, {})
        if entry.verdict == "failed" or (entry.verdict == ERROR and not entry.reason.startswith(NOT_OF_THE_HOUR)):
            for hour in _hours(entry):
                _add(of_table, entry, hour)
        elif entry.verdict in ("passed", RECOVERED):
            for hour in _hours(entry):
                of_table.pop(hour, None)
    return {table: hours for table, hours in found.items() if hours}


def listed(entries: Iterable[Entry]) -> dict[str, dict[datetime, FailedHour]]:
    """The recovery list: table -> hour -> its failures, oldest hour first."""
    lists = {
        table: {hour: hours[hour] for hour in sorted(hours) if hours[hour].is_listed}
        for table, hours in failed(entries).items()
    }
    return {table: hours for table, hours in lists.items() if hours}


def still_due(ledger: Ledger) -> dict[str, dict[datetime, FailedHour]]:
    """The recovery list of a lake: without hours that need nothing, or that retention does not let a run make."""
    lists = {}
    for name, hours in listed(ledger.entries).items():
        due = due_of(ledger, name, hours)
        if kept := {hour: failed for hour, failed in hours.items() if hour in due}:
            lists[name] = kept
    return lists


def due_of(ledger: Ledger, name: str, hours: Mapping[datetime, FailedHour]) -> set[datetime]:
    """Those of the failed hours of a table that are due. The error of an interval counts for all its hours."""
    if name not in catalog.entries():
        return set()
    table = catalog.entry(name).table
    if not table.event:
        return set(planner.due(ledger, table, None))
    read, first = ledger.fingerprints(name), planner.open_from(ledger, table)
    unread = {hour for hour, failed in hours.items() if failed.fingerprint or hour.isoformat() not in read}
    return {hour for hour in unread if first is None or hour >= first}


def flat(found: Mapping[str, Mapping[datetime, FailedHour]]) -> list[FailedHour]:
    """All failed hours, table by table."""
    return [each for hours in found.values() for each in hours.values()]


def _add(of_table: dict[datetime, FailedHour], entry: Entry, hour: datetime) -> None:
    each = of_table.setdefault(hour, FailedHour(entry.table_name, hour))
    each.runs.setdefault(entry.run_id, entry.started_at)
    each.reason = entry.reason
    each.fingerprint = entry.fingerprints.get(hour.isoformat(), "")


def _hours(entry: Entry) -> Iterator[datetime]:
    """The hours that a run made or tried: of an error, the landed hours of its interval."""
    if entry.processed_hours or entry.range_from is None or entry.range_to is None:
        yield from entry.processed_hours
    elif entry.verdict in (ERROR, RECOVERED):
        yield from planner.hours_between(entry.range_from, entry.range_to)
