"""A finding of `feed-etl check`, worded for the person on call."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What differs in a table (or in `_ledger`), in which of its hours, and what to do next.

    `kind`: lost_ledger, torn_log, unreadable, lost_file, changed_by_hand, differs, unrecorded, lost_commits,
    lost_table, new_table, contract, repeated_key, landed_changed, landed_gone, landed_since. A note needs no repair:
    the next run makes one, or nothing can.
    """

    kind: str
    table: str
    what: str
    hours: tuple[datetime, ...] = field(default=())
    next: str = ""
    is_note: bool = False

    def __str__(self) -> str:
        where = f" in {format_hours(self.hours)}" if self.hours else ""
        return f"{self.table}: {self.what}{where}{'. ' + self.next if self.next else ''}"

    def as_json(self) -> dict[str, Any]:
        """Return the finding as `check --json` prints it."""
        return asdict(self) | {"hours": [hour.isoformat() for hour in self.hours]}


def format_hours(hours: tuple[datetime, ...], max_shown: int = 6) -> str:
    """Return the first hours as text, and how many more there are."""
    shown = ", ".join(f"{hour:%Y-%m-%dT%H}" for hour in hours[:max_shown])
    return shown if len(hours) <= max_shown else f"{shown} and {len(hours) - max_shown} more hours"
