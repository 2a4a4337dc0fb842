"""One thing that differs, in words for whoever is on call."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What differs of a table (or `_ledger`), in which of its hours, and what to do next.

    kind: lost_ledger, torn_log, unreadable, lost_file, changed_by_hand, differs, unrecorded, lost_commits, lost_table,
    new_table, repeated_key, landed_since. A note needs nothing done: the next run settles it, or nothing can.
    """

    kind: str
    table: str
    what: str
    hours: tuple[datetime, ...] = field(default=())
    next: str = ""
    is_note: bool = False

    def __str__(self) -> str:
        where = f" in {listed(self.hours)}" if self.hours else ""
        return f"{self.table}: {self.what}{where}{'. ' + self.next if self.next else ''}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"hours": [hour.isoformat() for hour in self.hours]}


def listed(hours: tuple[datetime, ...], most: int = 6) -> str:
    """The first hours of several, and how many more there are."""
    shown = ", ".join(f"{hour:%Y-%m-%dT%H}" for hour in hours[:most])
    return shown if len(hours) <= most else f"{shown} and {len(hours) - most} more hours"
