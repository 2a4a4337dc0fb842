"""The state of the gate of every table, computed from the ledger alone: what failed, since when, how many rows.

No value of a row is in the result. The ledger keeps counts, and of an error only its class is passed on.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from etl import catalog
from etl.engine.quality import completeness
from etl.engine.quality.completeness import LandedHour
from etl.engine.quality.verdict import COMPLETE
from etl.engine.state.entry import Entry
from etl.model.contract import Table
from etl.reports import findings, news
from etl.reports.findings import Finding

FAILED, WAITING, LATE, WARNED, PASSED, IDLE = "failed", "waiting", "late", "warned", "passed", "not run"
ORDER = (FAILED, WAITING, LATE, WARNED, PASSED, IDLE)
KEPT = "batch kept at "
LATE_SHOWN = timedelta(days=7)
"""How long a late hour is reported, counted back from the newest landed hour of its event."""


@dataclass
class TableState:
    """A table at the end of a period: its verdict, what is open, and what its gate did in the period.

    `rejections`: runs with a rejected batch whose hours were not published since, oldest first.
    `streak`: the consecutive rejections that end with the last of them, newest first.
    `open_hours`: hours that were rejected and not published since.
    `late`: landed hours that are published although they are late.
    `news`: what landed in the period that the event does not know.
    `entries`: ledger rows of the period. `history`: ledger rows up to its end.
    """

    table: Table
    verdict: str = IDLE
    rejections: list[Entry] = field(default_factory=list)
    streak: list[Entry] = field(default_factory=list)
    open_hours: list[datetime] = field(default_factory=list)
    late: list[LandedHour] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    news: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    history: list[Entry] = field(default_factory=list)
    last_published: datetime | None = None

    @property
    def gates_failed(self) -> int:
        """Rejections within the period, open or not."""
        return sum(e.verdict == FAILED for e in self.entries)

    def total(self, number: str) -> int:
        """Sum of a numeric column of the ledger over the period."""
        return sum(getattr(e, number) for e in self.entries)

    @property
    def last_rejection(self) -> Entry | None:
        """The last open rejection."""
        return self.rejections[-1] if self.rejections else None

    @property
    def rejected_batch(self) -> str:
        """Path of the rejected batch; empty when no rejection is open."""
        reason = self.last_rejection.reason if self.last_rejection else ""
        return reason.removeprefix(KEPT) if reason.startswith(KEPT) else ""


def owners() -> list[str]:
    """Every owner of a table."""
    return sorted({table.owner for table in catalog.tables()})


def states(entries: list[Entry], start: datetime, end: datetime) -> dict[str, TableState]:
    """Every table by name as of `end`, with what its gate did in [start, end). `entries` are ledger rows, oldest first.

    A table waits when a table that it reads failed or waits.
    """
    by_table: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.started_at < end and entry.verdict in (PASSED, FAILED):
            by_table[entry.table_name].append(entry)
    found = {t.name: _state(t, by_table[t.name], start) for t in catalog.tables()}
    for state in found.values():  # inputs come before the tables that read them
        if state.verdict != FAILED and any(
            found[name].verdict in (FAILED, WAITING) for name in catalog.reads(state.table)
        ):
            state.verdict = WAITING
    return found


def _state(table: Table, history: list[Entry], start: datetime) -> TableState:
    state = TableState(table, history=history, entries=[e for e in history if e.started_at >= start])
    state.last_published = max((e.started_at for e in history if e.output_version is not None), default=None)
    if table.event:
        state.late, state.news = late_now(history), news.lines(table.event, state.entries, history)
    rejected = _open(history)
    if rejected:
        state.verdict = FAILED
        state.rejections = sorted(rejected.values(), key=lambda e: e.started_at)
        state.open_hours = sorted(hour for hour in rejected if hour)
        state.streak = findings.streak_of(state.rejections[-1], history, lambda e: e.verdict == FAILED)
        state.findings = findings.of_run(state.rejections[-1], history)
    elif state.entries:
        state.findings = _not_blocking(state.entries, history)
        state.verdict = WARNED if any(f.severity == "warning" for f in state.findings) else PASSED
    if state.late and not rejected:
        state.verdict = LATE
    return state


def late_now(history: list[Entry]) -> list[LandedHour]:
    """Late hours of a table, from the week before its newest landed hour, oldest first."""
    known = completeness.history(history)
    newest = max(known, default=None)
    late = (known[hour] for hour in sorted(known) if newest and hour > newest - LATE_SHOWN)
    return [landed for landed in late if landed.late]


def _open(history: list[Entry]) -> dict[datetime | None, Entry]:
    """Hour -> its last rejection, for hours that were rejected and not published since.

    A ledger row without hours (quarantine) stands for the whole table, under the key None. Only a later run closes it:
    one run writes quarantine several times, and a passed write must not hide a rejected one.
    """
    rejected: dict[datetime | None, Entry] = {}
    for entry in history:
        hours: list[datetime | None] = [*entry.processed_hours] or [None]
        for hour in hours:
            if entry.verdict == FAILED:
                rejected[hour] = entry
            elif hour in rejected and rejected[hour].run_id != entry.run_id:
                del rejected[hour]
    return rejected


def _not_blocking(entries: list[Entry], history: list[Entry]) -> list[Finding]:
    """Rules that failed in runs that passed, each as of its last failure. Late hours are left out: `late` has them."""
    newest = {f["rule"]: e for e in entries if e.verdict == PASSED for f in json.loads(e.failures)}
    newest.pop(COMPLETE, None)
    return [f for rule, e in newest.items() for f in findings.of_run(e, history) if f.rule == findings.plain(rule)]
