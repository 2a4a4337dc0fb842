"""Headroom: how long each table takes for its busiest hour, now and with 2 and 10 times the rows, by the ledger alone.

A table that needs more than an hour for an hour falls behind. The seconds of a run are taken as a fixed part and a part
per row. With runs of different sizes both are fitted; with runs of one size everything counts as per row, so that the
headroom is underestimated rather than overestimated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import linear_regression, median

from etl import catalog
from etl.engine.state.entry import Entry
from etl.model.contract import Table

HOUR_SECONDS = 3600.0
FACTORS = (2, 10)
MIN_SPREAD = 1.5
"""The largest run must have so many times the rows of the smallest, or a fit would only see noise."""


@dataclass(frozen=True)
class Headroom:
    """What a table needs for an hour. rows, seconds: of its busiest hour. fixed: seconds that do not grow with rows."""

    table: Table
    rows: int
    seconds: float
    fixed: float

    def at(self, factor: float) -> float:
        """Seconds for an hour with so many times the rows."""
        return self.fixed + (self.seconds - self.fixed) * factor

    @property
    def limit(self) -> float:
        """How many times the rows fill the hour."""
        growing = self.seconds - self.fixed
        return (HOUR_SECONDS - self.fixed) / growing if growing > 0 else float("inf")


def of_ledger(entries: Iterable[Entry]) -> list[Headroom]:
    """The headroom of every table that published, the one with least first."""
    runs: dict[str, list[tuple[float, float]]] = {}
    for entry in entries:
        if entry.verdict == "passed" and entry.processed_hours and _rows(entry) and entry.seconds:
            hours = len(entry.processed_hours)
            runs.setdefault(entry.table_name, []).append((_rows(entry) / hours, entry.seconds / hours))
    known = ((table, runs[table.name]) for table in catalog.tables() if table.name in runs)
    return sorted((_of_runs(table, found) for table, found in known), key=lambda each: each.limit)


def _rows(entry: Entry) -> int:
    """Records that a landing run read; rows that any other run wrote."""
    return entry.records_read or entry.rows_written


def _of_runs(table: Table, runs: list[tuple[float, float]]) -> Headroom:
    """The fit over (rows, seconds) per hour. The busiest hour takes as long as the fit says, or as runs of its size."""
    sizes = [rows for rows, _ in runs]
    busiest = max(sizes)
    like_it = median(seconds for rows, seconds in runs if rows * MIN_SPREAD >= busiest)
    if busiest < MIN_SPREAD * min(sizes):
        return Headroom(table, round(busiest), like_it, 0.0)
    slope, fixed = linear_regression(*zip(*runs, strict=True))
    is_usable = slope > 0 and 0 <= fixed < like_it
    return Headroom(table, round(busiest), like_it, fixed if is_usable else 0.0)
