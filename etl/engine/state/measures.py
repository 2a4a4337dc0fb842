"""What the ledger knows of the hours of a table: rows, measures, verdicts on them, and accepted level shifts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from etl.engine.state.entry import ACCEPTED, Entry
from etl.engine.state.ledger import Ledger
from etl.model.contract import Table

WEEKS_OF_HISTORY = timedelta(weeks=4)
KEPT = WEEKS_OF_HISTORY + timedelta(weeks=1)
"""A compacted ledger keeps the measures of this time before the newest hour: a week more than any rule looks back."""
ROW_COUNT = "row_count"
Measure = dict[str, Any]


@dataclass(frozen=True)
class KnownHours:
    """The published hours of a table. A later publish of an hour supersedes the earlier ones.

    rows: hour -> rows; an hour that was made and is empty has 0. measures: rule -> hour -> its newest measure.
    """

    rows: dict[datetime, int]
    measures: dict[str, dict[datetime, Measure]]

    def failed(self, rule: str) -> set[datetime]:
        """The hours that broke a rule: they are not its history."""
        return {hour for hour, each in self.measures.get(rule, {}).items() if each.get("verdict") == "failed"}

    def failed_since(self, rule: str, hour: datetime, step: timedelta = timedelta(hours=1)) -> datetime:
        """The first of the consecutive hours before an hour that broke a rule, or this hour."""
        failed, first = self.failed(rule), hour
        while first - step in failed:
            first -= step
        return first


def known_hours(entries: Iterable[Entry]) -> KnownHours:
    """The hours in the published rows of a table, which come oldest first."""
    rows: dict[datetime, int] = {}
    found: dict[str, dict[datetime, Measure]] = {}
    for entry in entries:
        rows |= {hour: rows.get(hour, 0) for hour in entry.processed_hours}
        rows |= {state["hour"]: state["row_count"] for state in entry.published_hours}
        for each in entry.measures:
            found.setdefault(each["rule"], {})[each["hour"]] = each
    return KnownHours(rows, found)


def accepted_from(ledger: Ledger, table: str, rule: str) -> datetime | None:
    """The first hour of the level that was accepted last for a rule; earlier hours are no history of it."""
    accepted = [e for e in ledger.entries if (e.verdict, e.table_name, e.accepted_rule) == (ACCEPTED, table, rule)]
    return accepted[-1].accepted_from if accepted else None


def without_verdict(ledger: Ledger, table: Table) -> int:
    """How many hours of the last four weeks some rule about history could not judge."""
    by_rule = known_hours(ledger.published(table.name)).measures
    newest = max((hour for hours in by_rule.values() for hour in hours), default=None)
    found = {
        hour
        for hours in by_rule.values()
        for hour, each in hours.items()
        if newest and hour > newest - WEEKS_OF_HISTORY and each.get("verdict") is None
    }
    return len(found)


def recent(found: list[Measure]) -> list[Measure]:
    """The newest measure of each hour and rule, of the hours that a rule may still look back to."""
    newest = {(each["rule"], each["hour"]): each for each in found}
    last = max((hour for _, hour in newest), default=None)
    return [each for (_, hour), each in sorted(newest.items()) if last and hour > last - KEPT]
