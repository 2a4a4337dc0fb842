"""Finds one consistent point: a version of each table such that no table was made from what another one loses.

A commit says which version of each input it was made from. So it is taken back when one of these is taken back. The
same holds for a landed hour whose quarantined records are taken back. Whatever is taken back, runs make again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from etl.engine.state.entry import Entry
from etl.operations.restore.timeline import Commit, Timeline


@dataclass
class Cut:
    """The version of each table at a point. quarantine: name of the table that landing jobs write rejected records to.

    is_current(table, id): whether Delta's table id is that of the table as it exists now.
    """

    timelines: Mapping[str, Timeline]
    is_current: Callable[[str, str | None], bool]
    quarantine: str = ""
    versions: dict[str, int] = field(default_factory=dict)

    def history(self, table: str) -> set[int]:
        """The versions of a table that count at the point."""
        return self.timelines[table].history(self.versions[table])

    def make_consistent(self) -> None:
        """Take back commits until none is left that was made from what is taken back."""
        changed = True
        while changed:
            histories = {name: self.history(name) for name in self.versions}
            changed = any([self._take_back(name, histories) for name in self.versions])

    def _take_back(self, name: str, histories: Mapping[str, set[int]]) -> bool:
        """Take back the oldest commit of a table that must be, and all after it; returns whether there is one."""
        timeline = self.timelines[name]
        commits = [timeline.by_version[v] for v in sorted(histories[name]) if v in timeline.by_version]
        wrong = [c.version for c in commits if c.entry and not self._is_complete(c, c.entry, histories)]
        if wrong:
            self.versions[name] = wrong[0] - 1
        return bool(wrong)

    def _is_complete(self, commit: Commit, entry: Entry, histories: Mapping[str, set[int]]) -> bool:
        return self.has_inputs(entry, histories) and self._has_quarantined(commit, entry)

    def has_inputs(self, entry: Entry, histories: Mapping[str, set[int]]) -> bool:
        """Whether the versions that a run read count at the point. Inputs that were recreated since do not matter."""
        return all(
            version in histories[name]
            for name, version in entry.input_versions.items()
            if name in histories and self.is_current(name, entry.input_ids.get(name))
        )

    def _has_quarantined(self, commit: Commit, entry: Entry) -> bool:
        """Whether the records that a run of a landed hour quarantined are in quarantine at the point.

        A run writes them before it publishes the hour, so only the newest commits of quarantine can be missing.
        """
        if not entry.records_quarantined or self.quarantine not in self.versions:
            return True
        timeline, history = self.timelines[self.quarantine], self.history(self.quarantine)
        commits = [c for c in timeline.commits if c.version in history]
        if commits and commit.at < commits[-1].at:
            return True
        return entry.run_id in {c.entry.run_id for c in commits if c.entry}
