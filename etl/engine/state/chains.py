"""Chains: tables that read their own previous day. It decides which days are due, and how far a change reaches.

A day of a chain is due for reasons of its own (a changed input), or because the day before was published in a later
version than the one that was read for it. So a change moves on day by day, and stops where a day comes out equal: such
a day is not published. `reaches_to` of the ledger stops it as well: the last later day that a publish can change. See
docs/decisions/0023-chains.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.model.contract import Chain, Table

DAY = timedelta(days=1)


def due(ledger: Ledger, table: Table, chain: Chain, own: Iterable[datetime]) -> dict[datetime, datetime]:
    """Due day -> the last later day that a change of it can reach.

    own: the days that are due whatever the day before holds. Days that no run made between others are due, too.
    """
    consumed = ledger.consumed(table.name)
    changed_anew = {day: day + chain.reach_days * DAY for day in _without_gaps(ledger, table, consumed, own)}
    return _after_changed_days(ledger, table, chain, consumed) | changed_anew


def every_day(days: Iterable[datetime]) -> set[datetime]:
    """All days from the first of some days to the last of them."""
    given = sorted(days)
    return {given[0] + i * DAY for i in range((given[-1] - given[0]) // DAY + 1)} if given else set()


def later_days(chain: Chain, days: Iterable[datetime]) -> set[datetime]:
    """All later days that changes of some days can reach."""
    return {day + i * DAY for day in days for i in range(1, chain.reach_days + 1)}


def _without_gaps(
    ledger: Ledger, table: Table, consumed: Mapping[datetime, object], own: Iterable[datetime]
) -> set[datetime]:
    """The given days, and the days that no run made although one before and one after them exists or is due."""
    given = set(own)
    known = {*given, *consumed, *ledger.processed_before(table.name)}
    return given | (every_day(known) - consumed.keys())


def _after_changed_days(
    ledger: Ledger, table: Table, chain: Chain, consumed: Mapping[datetime, dict[str, int]]
) -> dict[datetime, datetime]:
    """Day already made whose previous day was published later than it was read -> the last day this can change."""
    found: dict[datetime, datetime] = {}
    for entry in ledger.published(table.name):
        for changed in entry.affected_hours.get(table.hour, []):
            day, last = changed + DAY, _reaches_to(entry, chain, changed)
            if day <= last and day in consumed and _version(entry) > consumed[day].get(table.name, -1):
                found[day] = max(last, found.get(day, last))
    return found


def _version(entry: Entry) -> int:
    return entry.output_version or 0


def _reaches_to(entry: Entry, chain: Chain, changed: datetime) -> datetime:
    """The last day that a publish can change. A backfill and a repair note none: their days count as changed anew."""
    return changed + chain.reach_days * DAY if entry.reaches_to is None else entry.reaches_to
