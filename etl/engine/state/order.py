"""In which order a run makes tables and hours when many wait, and which due hours it leaves out. Pure functions.

See docs/decisions/0032-backlog.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from etl import catalog
from etl.engine.state import planner
from etl.engine.state.recovery_list import FailedHour
from etl.model.contract import Table
from etl.model.work_class import WorkClass


def groups(tables: Collection[Table]) -> list[list[Table]]:
    """The tables in groups, to be made one after the other: for each class its tables and what these read.

    Within a group, tables keep the order in which data flow.
    """
    placed: set[str] = set()
    found = []
    for work_class in WorkClass:
        members = [table for table in tables if _leads(table) and table.work_class is work_class]
        if work_class is WorkClass.ROLLUPS:
            members += [table for table in tables if not _leads(table) and not _is_read_by(table, tables)]
        needed = _with_what_they_read(members) - placed
        placed |= needed
        found.append([table for table in catalog.tables() if table.name in needed and table in tables])
    return [group for group in found if group]


def critical(tables: Collection[Table]) -> list[Table]:
    """The tables of the critical classes, and what these read; marts and reports are left out."""
    needed = _with_what_they_read(table for table in tables if table.work_class.is_critical)
    return [table for table in tables if table.name in needed]


def _leads(table: Table) -> bool:
    """Whether the class of a table decides when it is made. Other tables are made when a table needs them."""
    return table.work_class is not WorkClass.ROLLUPS or table.layer.name == "ROLLUPS"


def _is_read_by(table: Table, tables: Iterable[Table]) -> bool:
    return any(table.name in catalog.after(each) for each in tables)


def _with_what_they_read(tables: Iterable[Table]) -> set[str]:
    """Names of the tables, and of all that must be made before them."""
    found: set[str] = set()
    waiting = [table.name for table in tables]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += catalog.after(catalog.entry(name).table)
    return found


def sort_hours(table: Table, hours: Iterable[datetime]) -> list[datetime]:
    """The due hours in the order in which a run makes them one by one: newest first for a table that serves readers.

    Oldest first where a later hour depends on an earlier one, and for all other tables.
    """
    return sorted(hours, reverse=table.freshness == "serving" and not table.is_ordered)


@dataclass(frozen=True)
class Selection:
    """Which due hours a run makes. The default makes all of them.

    held: table -> hour -> its failures, for the hours of the recovery list that the run leaves out. not_made: table ->
    hours that the run could not make or left out; tables that read them wait. only: the hours to make; None: all.
    landed: the landed hours whose files are read; None: all of the interval.
    """

    held: Mapping[str, Mapping[datetime, FailedHour]] = field(default_factory=dict)
    not_made: dict[str, set[datetime]] = field(default_factory=dict)
    only: frozenset[datetime] | None = None
    landed: frozenset[datetime] | None = None

    def allowed(
        self, table: Table, due: Sequence[datetime], fingerprints: Mapping[datetime, str] | None = None
    ) -> list[datetime]:
        """The due hours of a table that the run makes, in the same order.

        A table whose later hours depend on earlier ones stops before the first hour that is left out. fingerprints: of
        the files of landed hours; an hour with other files than those that failed is made.
        """
        held = {
            hour
            for hour, failed in self.held.get(table.name, {}).items()
            if not (fingerprints and failed.fingerprint and fingerprints.get(hour) != failed.fingerprint)
        }
        left_out = held | self._waiting(table, due)
        if table.is_ordered and left_out:
            left_out |= {hour for hour in due if hour > min(left_out)}
        return [hour for hour in due if hour not in left_out and (self.only is None or hour in self.only)]

    def _waiting(self, table: Table, due: Sequence[datetime]) -> set[datetime]:
        """The due hours that read an hour which was not made. A day does not wait for one of its hours."""
        if table.daily or not table.hour:
            return set()
        return {
            hour
            for source in table.inputs
            if not source.as_of
            for failed in self.not_made.get(source.table.name, ())
            for hour in planner.affected_hours(source, table, failed)
        } & set(due)

    def before(self, table: Table) -> datetime:
        """A chain is made up to this day: the first one that is held."""
        return min(self.held.get(table.name, ()), default=planner.LAST)


def held_in(
    listed: Mapping[str, Mapping[datetime, FailedHour]], last: datetime
) -> dict[str, dict[datetime, FailedHour]]:
    """The recovery list without the last hour of a run's interval: the run is there for that hour, and tries it."""
    found = {}
    for name, hours in listed.items():
        own = planner.grain(catalog.entry(name).table, last) if name in catalog.entries() else last
        if rest := {hour: failed for hour, failed in hours.items() if hour != own}:
            found[name] = rest
    return found
