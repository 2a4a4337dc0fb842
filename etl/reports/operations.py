"""The operational state of a lake, by its ledger: gates, cost, partition skew and coverage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from etl import catalog
from etl.engine.jobs import run_errors
from etl.engine.quality import completeness
from etl.engine.quality.completeness import LandedHour
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.model.contract import Layer, Table

Interval = tuple[datetime, datetime]
Events = Mapping[str, Mapping[datetime, LandedHour]]


@dataclass(frozen=True)
class Gate:
    """The last verdict on a table. `failures` are the rules that failed.

    `state` is `passed`, `failed` or `never judged`. `error` is what the newest run raised for the table. It is empty
    when there is no error, or when a later run succeeded.
    """

    table: Table
    state: str
    judged: Entry | None
    failures: list[dict[str, Any]]
    error: str = ""

    @property
    def warnings(self) -> int:
        """Number of failed rules that are warnings."""
        return sum(f["severity"] == "warning" for f in self.failures)


@dataclass(frozen=True)
class Cost:
    """Seconds and rows of the runs of a table in an interval."""

    table: Table
    runs: int
    seconds: float
    rows: int


MIN_ROWS_PER_TASK = 1000
"""Average rows per task from which on skew means something: a few rows can never be divided evenly."""


@dataclass(frozen=True)
class Skew:
    """Skew of the newest publish of a table: `ratio` is the rows of the largest task over the mean of all tasks."""

    table: Table
    ratio: float
    tasks: int
    rows: int

    @property
    def has_enough_rows(self) -> bool:
        """Whether the publish had enough rows for the ratio to mean something."""
        return self.rows >= MIN_ROWS_PER_TASK * self.tasks


def subjects(entries: list[Entry]) -> list[str]:
    """Subjects that ran in this lake, in the order of the catalog; all subjects before the first run.

    Quarantine does not count, because the runs of every subject write it.
    """
    names = {e.table_name for e in entries}
    ran = [catalog.subjects_of(t) for t in catalog.tables() if t.name in names and catalog.has_job(t)]
    return [name for name in catalog.subjects() if any(name in of for of in ran)] or list(catalog.subjects())


def landed_hours(ledger: Ledger, interval: Interval, subject: str) -> dict[str, dict[datetime, LandedHour]]:
    """Event of a subject -> landed hour of the interval -> what the newest published run found in it."""
    found = {}
    for table in catalog.tables():
        if table.event and subject in catalog.subjects_of(table):
            known = completeness.history(ledger.published(table.name))
            found[table.event.name] = {h: known[h] for h in sorted(known) if interval[0] <= h < interval[1]}
    return found


def late_hours(ledger: Ledger) -> set[datetime]:
    """Landed hours that are late for any event."""
    landing = (ledger.published(table.name) for table in catalog.tables() if table.event)
    return {landed.hour for entries in landing for landed in completeness.late_hours(entries)}


def tables(ledger: Ledger) -> list[Table]:
    """The tables of the subjects that ran, in the order data flows."""
    names = set(catalog.of_subjects(subjects(ledger.entries)))
    return [t for t in catalog.tables() if t.name in names]


def gates(ledger: Ledger) -> list[Gate]:
    """The gate of every table of the subjects that ran, in the order data flows."""
    errors = {e.table_name: e.reason for e in run_errors.open_errors(ledger.entries)}
    return [_gate(ledger, table, errors.get(table.name, "")) for table in tables(ledger)]


def _gate(ledger: Ledger, table: Table, error: str) -> Gate:
    judged = [e for e in ledger.entries if e.table_name == table.name and e.verdict in ("passed", "failed")]
    if not judged:
        return Gate(table, "never judged", None, [], error)
    return Gate(table, judged[-1].verdict, judged[-1], json.loads(judged[-1].failures), error)


def in_range(ledger: Ledger, interval: Interval) -> list[Entry]:
    """Ledger rows of runs whose landed hours overlap the interval."""
    return [
        e
        for e in ledger.entries
        if e.range_from is None or e.range_to is None or (e.range_from < interval[1] and e.range_to > interval[0])
    ]


def costs(entries: list[Entry]) -> list[Cost]:
    """The cost of each table that ran, the most expensive first."""
    found = [_cost(table, [e for e in entries if e.table_name == table.name]) for table in catalog.tables()]
    return sorted((c for c in found if c.runs), key=lambda c: -c.seconds)


def _cost(table: Table, entries: list[Entry]) -> Cost:
    return Cost(table, len(entries), sum(e.seconds for e in entries), sum(e.rows_written for e in entries))


def runs(entries: list[Entry]) -> dict[str, float]:
    """Run id -> seconds over all its tables, oldest first.

    Quarantine does not count: its seconds are part of the seconds of the bronze table that quarantined the records.
    """
    found: dict[str, float] = {}
    for entry in entries:
        if entry.table_name != "quarantine":
            found[entry.run_id] = found.get(entry.run_id, 0.0) + entry.seconds
    return found


def skews(entries: list[Entry]) -> list[Skew]:
    """The skew of the newest publish of each fact. Other layers are small, or keep the partitions of their files."""
    newest = {e.table_name: e for e in entries if "skew" in e.metrics}
    facts = [t for t in catalog.tables() if t.layer is Layer.FACTS and t.name in newest]
    found = ((t, newest[t.name]) for t in facts)
    return [Skew(t, e.metrics["skew"], int(e.metrics["tasks"]), e.rows_written) for t, e in found]


def coverage(ledger: Ledger, interval: Interval) -> dict[str, set[datetime]]:
    """Hourly table -> hours of the interval of which it has rows now."""
    hourly = [t for t in tables(ledger) if t.hour and not t.daily and catalog.has_job(t)]
    return {t.name: _hours(ledger, t, interval) for t in hourly}


def _hours(ledger: Ledger, table: Table, interval: Interval) -> set[datetime]:
    return {h for h, state in ledger.state(table.name).items() if state["row_count"] and interval[0] <= h < interval[1]}
