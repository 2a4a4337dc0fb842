"""How many heartbeats landed, and how many rows of dwell they collapsed to, by the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from etl import catalog
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.subjects.feed import events


@dataclass(frozen=True)
class Heartbeats:
    """Heartbeats that the runs of an interval read, accepted and quarantined, and the rows they collapsed to."""

    read: int
    accepted: int
    quarantined: int
    rows: int

    @property
    def collapse(self) -> float | None:
        """Accepted heartbeats per row; None without a row."""
        return self.accepted / self.rows if self.rows else None


def count(ledger: Ledger, entries: list[Entry]) -> Heartbeats:
    """The heartbeats of the runs in `entries`. Rows are those that the hours these runs published hold now."""
    (table,) = [t for t in catalog.tables() if t.event is events.HEARTBEATS]
    runs = [e for e in entries if e.table_name == table.name]
    state = ledger.state(table.name)
    hours = {h["hour"] for e in runs for h in e.published_hours}
    accepted = sum(e.records_accepted for e in runs if e.verdict == "passed")
    rows = sum(state[h]["row_count"] for h in hours if h in state)
    return Heartbeats(sum(e.records_read for e in runs), accepted, sum(e.records_quarantined for e in runs), rows)
