"""What the ledger says of a lake: the state of every gate, freshness, cost, skew and the collapse of heartbeats."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from etl import catalog
from etl.engine.jobs import run_errors
from etl.engine.landing.arrivals import EMPTY
from etl.engine.quality import completeness
from etl.engine.quality.completeness import LandedHour
from etl.engine.state import planner
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.model.contract import Layer, Table

Interval = tuple[datetime, datetime]
Events = Mapping[str, Mapping[datetime, LandedHour]]


@dataclass(frozen=True)
class Gate:
    """The last verdict on a table: `passed`, `failed` or `never judged`, and each rule that did not hold.

    `error` is what the newest run raised for the table that no later run has made good; empty when there is none.
    """

    table: Table
    state: str
    judged: Entry | None
    failures: list[dict[str, Any]]
    error: str = ""

    @property
    def warnings(self) -> int:
        return sum(f["severity"] == "warning" for f in self.failures)


@dataclass(frozen=True)
class Freshness:
    """The newest hour (day) a table was made for, and how many hours (days) wait to be made; None: nothing ever was."""

    table: Table
    newest: datetime | None
    behind_hours: int | None


@dataclass(frozen=True)
class Cost:
    """Seconds and rows of the runs of a table over a range."""

    table: Table
    runs: int
    seconds: float
    rows: int


EVEN_ROWS = 1000  # of a task on average, from which on rows can be spread evenly


@dataclass(frozen=True)
class Skew:
    """The largest task of a table's newest publish over the mean of the tasks that wrote, and the rows they wrote."""

    table: Table
    ratio: float
    tasks: int
    rows: int

    @property
    def has_enough_rows(self) -> bool:
        """Whether there were rows enough to be spread evenly: a few never are."""
        return self.rows >= EVEN_ROWS * self.tasks


def subjects(entries: list[Entry]) -> list[str]:
    """Subjects that ever ran here; quarantine is of them all and tells of none. All, before any did."""
    names = {e.table_name for e in entries}
    ran = [catalog.subjects_of(t) for t in catalog.tables() if t.name in names and catalog.is_made(t)]
    return [name for name in catalog.subjects() if any(name in of for of in ran)] or list(catalog.subjects())


def landed_hours(ledger: Ledger, interval: Interval, subject: str) -> dict[str, dict[datetime, LandedHour]]:
    """Event of a subject -> landed hour of a span -> what the newest published run found in it."""
    found = {}
    for table in catalog.tables():
        if table.event and subject in catalog.subjects_of(table):
            known = completeness.history(ledger.published(table.name))
            found[table.event.name] = {h: known[h] for h in sorted(known) if interval[0] <= h < interval[1]}
    return found


def late_hours(ledger: Ledger) -> set[datetime]:
    """Landed hours that are late of any event."""
    landing = (ledger.published(table.name) for table in catalog.tables() if table.event)
    return {landed.hour for entries in landing for landed in completeness.late_hours(entries)}


def _tables(ledger: Ledger) -> list[Table]:
    """The tables of these subjects, in the order data flows."""
    mine = set(catalog.of_subjects(subjects(ledger.entries)))
    return [t for t in catalog.tables() if t.name in mine]


def gates(ledger: Ledger) -> list[Gate]:
    """Every table of the subjects that ran, in the order data flows."""
    errors = {e.table_name: e.reason for e in run_errors.open_errors(ledger.entries)}
    return [_gate(ledger, table, errors.get(table.name, "")) for table in _tables(ledger)]


def _gate(ledger: Ledger, table: Table, error: str) -> Gate:
    judged = [e for e in ledger.entries if e.table_name == table.name and e.verdict in ("passed", "failed")]
    if not judged:
        return Gate(table, "never judged", None, [], error)
    return Gate(table, judged[-1].verdict, judged[-1], json.loads(judged[-1].failures), error)


def newest_landed(ledger: Ledger) -> datetime | None:
    """The newest hour with landed files that any run has seen, published or refused."""
    return max(landed(ledger, list(catalog.subjects())), default=None)


def landed(ledger: Ledger, of: Collection[str]) -> set[datetime]:
    """Hours in which files of some subjects landed, as far as any run has seen, published or refused."""
    seen = {t.name for t in catalog.tables() if t.event and catalog.subjects_of(t) & set(of)}
    hours = [h for e in ledger.entries if e.table_name in seen for h, mark in e.fingerprints.items() if mark != EMPTY]
    return set(map(datetime.fromisoformat, hours))


def freshness(ledger: Ledger) -> list[Freshness]:
    """Every table that is made for hours or days; quarantine is written when there is something to set aside."""
    newest = {name: max(landed(ledger, [name]), default=None) for name in subjects(ledger.entries)}
    found = dict[str, Freshness]()
    for table in _tables(ledger):
        if catalog.is_made(table):
            there = [n for name in catalog.subjects_of(table) if (n := newest.get(name))]
            found[table.name] = _fresh(ledger, table, max(there, default=None), found)
    return list(found.values())


def _fresh(ledger: Ledger, table: Table, landed: datetime | None, above: dict[str, Freshness]) -> Freshness:
    """A table read from files is behind what landed; any other by the hours due, and at least as far as its inputs.

    A table that looks ahead was made for hours to come as well, which hold nothing yet.
    """
    made = {h for e in ledger.published(table.name) for h in e.processed_hours}
    newest = max([h for h in made if landed is None or h <= landed], default=None)
    behind = len(planner.due(ledger, table, None))
    if table.event and newest and landed:
        behind = max(0, int((landed - newest) / planner.HOUR))
    inputs = [above[i.table.name].behind_hours or 0 for i in table.inputs if i.table.name in above]
    behind = max([behind, *inputs])
    return Freshness(table, newest, None if newest is None and not behind else behind)


def in_range(ledger: Ledger, interval: Interval) -> list[Entry]:
    """Runs whose range of landed hours overlaps a span."""
    return [
        e
        for e in ledger.entries
        if e.range_from is None or e.range_to is None or (e.range_from < interval[1] and e.range_to > interval[0])
    ]


def costs(entries: list[Entry]) -> list[Cost]:
    """Per table, dearest first."""
    found = [_cost(table, [e for e in entries if e.table_name == table.name]) for table in catalog.tables()]
    return sorted((c for c in found if c.runs), key=lambda c: -c.seconds)


def _cost(table: Table, entries: list[Entry]) -> Cost:
    return Cost(table, len(entries), sum(e.seconds for e in entries), sum(e.rows_written for e in entries))


def runs(entries: list[Entry]) -> dict[str, float]:
    """Run -> seconds over all its tables, oldest first; seconds of a quarantine lie within those of its event."""
    found: dict[str, float] = {}
    for entry in entries:
        if entry.table_name != "quarantine":
            found[entry.run_id] = found.get(entry.run_id, 0.0) + entry.seconds
    return found


def skews(entries: list[Entry]) -> list[Skew]:
    """Of each fact, the newest publish; other layers are small or come as their files landed."""
    newest = {e.table_name: e for e in entries if "skew" in e.metrics}
    facts = [t for t in catalog.tables() if t.layer is Layer.FACTS and t.name in newest]
    found = ((t, newest[t.name]) for t in facts)
    return [Skew(t, e.metrics["skew"], int(e.metrics["tasks"]), e.rows_written) for t, e in found]


def coverage(ledger: Ledger, interval: Interval) -> dict[str, set[datetime]]:
    """Table -> hours of a span that hold rows now; only tables by hour."""
    hourly = [t for t in _tables(ledger) if t.hour and not t.daily and catalog.is_made(t)]
    return {t.name: _hours(ledger, t, interval) for t in hourly}


def _hours(ledger: Ledger, table: Table, interval: Interval) -> set[datetime]:
    return {h for h, state in ledger.state(table.name).items() if state["row_count"] and interval[0] <= h < interval[1]}
