"""What a run did, for its caller: ledger rows, errors, and what it did not make and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from etl.engine.state.entry import Entry
from etl.errors import FeedEtlError


@dataclass
class Summary:
    """What a run did.

    entries: the ledger rows it wrote. errors: table -> error. skipped: table -> the failed or skipped table that it
    reads. waiting: table -> a table that it reads and that runs have not made for all shards yet; the run of the last
    shard makes it. unchanged: tables that were up to date. is_backlog: whether so many hours waited that the run worked
    class by class. left_out: tables that --only-critical leaves out. held: table -> hours of the recovery list that the
    run left out.
    """

    run_id: str
    entries: list[Entry] = field(default_factory=list)
    errors: dict[str, FeedEtlError] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    is_backlog: bool = False
    left_out: list[str] = field(default_factory=list)
    held: dict[str, list[datetime]] = field(default_factory=dict)

    def add(self, hour: Summary) -> None:
        """Add the summary of a run of one hour. When a table has several errors, the first one stays."""
        self.entries += hour.entries
        self.errors = hour.errors | self.errors
        self.skipped = hour.skipped | self.skipped
        self.waiting = hour.waiting | self.waiting
        self.left_out = self.left_out or hour.left_out
        for name, hours in hour.held.items():
            self.held[name] = sorted({*hours, *self.held.get(name, [])})
        changed = {entry.table_name for entry in self.entries}
        self.unchanged = [name for name in dict.fromkeys(self.unchanged + hour.unchanged) if name not in changed]
