"""The state of every gate of an owner, from the ledger alone: what failed, since when, how many of how many.

Nothing here holds a value of a row: the ledger keeps counts, and of an error only its class is passed on.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from etl import catalog
from etl.engine.quality import completeness
from etl.engine.quality.completeness import LandedHour
from etl.engine.quality.gate import COMPLETE
from etl.engine.state.entry import Entry
from etl.errors import ERROR_CLASS
from etl.model.contract import Table

FAILED, WAITING, LATE, WARNED, PASSED, IDLE = "failed", "waiting", "late", "warned", "passed", "not run"
ORDER = (FAILED, WAITING, LATE, WARNED, PASSED, IDLE)
KEPT = "batch kept at "
UNREADABLE = "files_are_readable"
LATE_SHOWN = timedelta(days=7)
"""How long a late hour is reported, counted back from the newest landed hour of its event."""


@dataclass(frozen=True)
class Finding:
    """A rule that did not hold in the run that started `at`: `count` of `of` rows, where known.

    `since` is the start of the first run in a row in which it did not hold, `runs` how many runs that is.
    """

    rule: str
    severity: str
    reason: str
    count: int | None
    of: int | None
    broken: bool
    error_class: str
    at: datetime
    since: datetime
    runs: int

    @property
    def blocks(self) -> bool:
        """Whether it kept the batch from being published."""
        return self.severity == "critical" or self.broken

    @property
    def unit(self) -> str:
        return {UNREADABLE: "files", "quarantine_share": "records", COMPLETE: "records"}.get(self.rule, "rows")


@dataclass
class TableState:
    """A table at the end of a period: its verdict, what is open, and what its gates did in the period.

    `refusals` are those that no publish of the same hours has followed, oldest first; `row` the refusals in a row that
    end with the last of them, newest first; `open_hours` the hours that were refused and not published since; `late`
    the landed hours that are published and late.
    """

    table: Table
    verdict: str = IDLE
    refusals: list[Entry] = field(default_factory=list)
    row: list[Entry] = field(default_factory=list)
    open_hours: list[datetime] = field(default_factory=list)
    late: list[LandedHour] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    history: list[Entry] = field(default_factory=list)
    last_published: datetime | None = None

    @property
    def gates_failed(self) -> int:
        return sum(e.verdict == FAILED for e in self.entries)

    def total(self, number: str) -> int:
        """Sum of one of the ledger's numbers over the period."""
        return sum(getattr(e, number) for e in self.entries)

    @property
    def refused(self) -> Entry | None:
        """The last refusal that is open."""
        return self.refusals[-1] if self.refusals else None

    @property
    def kept(self) -> str:
        """Where the refused batch is; empty when nothing is open."""
        reason = self.refused.reason if self.refused else ""
        return reason.removeprefix(KEPT) if reason.startswith(KEPT) else ""


def owners() -> list[str]:
    """Every owner that a contract names."""
    return sorted({table.owner for table in catalog.tables()})


def states(entries: list[Entry], start: datetime, end: datetime) -> dict[str, TableState]:
    """Every table as of `end`, with what its gates did in [start, end). Ledger rows oldest first."""
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
    state.late = late_now(history) if table.event else []
    refused = _open(history)
    if refused:
        state.verdict = FAILED
        state.refusals = sorted(refused.values(), key=lambda e: e.started_at)
        state.open_hours = sorted(hour for hour in refused if hour)
        state.row = _row(state.refusals[-1], history, lambda e: e.verdict == FAILED)
        state.findings = _findings(state.refusals[-1], history)
    elif state.entries:
        state.findings = _lesser(state.entries, history)
        state.verdict = WARNED if any(f.severity == "warning" for f in state.findings) else PASSED
    if state.late and not refused:
        state.verdict = LATE
    return state


def late_now(history: list[Entry]) -> list[LandedHour]:
    """Late hours of a table of the week before its newest landed hour, oldest first."""
    known = completeness.history(history)
    newest = max(known, default=None)
    late = (known[hour] for hour in sorted(known) if newest and hour > newest - LATE_SHOWN)
    return [landed for landed in late if landed.late]


def _open(history: list[Entry]) -> dict[datetime | None, Entry]:
    """Hour -> its last refusal, for hours that were refused and not published since.

    A row without hours (quarantine) stands for the whole table; a run that refused it stays refused, whatever
    else the same run did to it.
    """
    refused: dict[datetime | None, Entry] = {}
    for entry in history:
        hours: list[datetime | None] = [*entry.processed_hours] or [None]
        for hour in hours:
            if entry.verdict == FAILED:
                refused[hour] = entry
            elif hour in refused and refused[hour].run_id != entry.run_id:
                del refused[hour]
    return refused


def _lesser(entries: list[Entry], history: list[Entry]) -> list[Finding]:
    """What did not hold in runs that passed all the same, but for late hours: the last time of each rule."""
    newest = {f["rule"]: e for e in entries if e.verdict == PASSED for f in json.loads(e.failures)}
    newest.pop(COMPLETE, None)
    return [f for rule, e in newest.items() for f in _findings(e, history) if f.rule == plain(rule)]


def _findings(entry: Entry, history: list[Entry]) -> list[Finding]:
    """What did not hold in one run, what blocks first."""
    made = [_finding(f, entry, history) for f in _merged(json.loads(entry.failures))]
    return sorted(made, key=lambda f: (not f.blocks, ("critical", "warning", "info").index(f.severity)))


def _row(last: Entry, history: list[Entry], holds: Callable[[Entry], bool]) -> list[Entry]:
    """The runs in a row that end with `last`, newest first."""
    earlier = [e for e in history if e.started_at < last.started_at]
    return [last, *takewhile(holds, reversed(earlier))]


def _finding(found: dict[str, Any], entry: Entry, history: list[Entry]) -> Finding:
    row = _row(entry, history, lambda e: any(f["rule"] == found["rule"] for f in json.loads(e.failures)))
    return Finding(
        plain(found["rule"]),
        found["severity"],
        plain(found["reason"]),
        found["count"],
        found["of"] or _rows(found, entry),
        bool(found["error"]),
        ", ".join(dict.fromkeys(ERROR_CLASS.findall(found["error"] or ""))),
        entry.started_at,
        row[-1].started_at,
        len(row),
    )


def _rows(found: dict[str, Any], entry: Entry) -> int | None:
    """Rows of a refused batch, for rules that are asked of the batch as a whole."""
    rows = entry.metrics.get("rows_refused")
    return None if rows is None or found["rule"] == UNREADABLE or found["error"] else int(rows)


def _merged(failures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Unreadable files as one finding that counts them; every other failure as it is."""
    files = [f for f in failures if f["rule"] == UNREADABLE]
    others = [f for f in failures if f["rule"] != UNREADABLE]
    return [{**files[0], "count": len(files), "of": None}, *others] if files else others


def plain(text: str) -> str:
    """One line of printable text, whatever came in: no line break, no control or direction mark."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
