"""The rules that failed in a run, from its ledger row: which, how many rows, since when. No value of a row is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

from etl.engine.quality.verdict import COMPLETE
from etl.engine.state.entry import Entry
from etl.errors import ERROR_CLASS

UNREADABLE = "files_are_readable"


@dataclass(frozen=True)
class Finding:
    """A rule that failed in the run that started `at`, for `count` of `of` rows (None when unknown).

    The rule has failed in `runs` consecutive runs; the first of them started at `since`. `broken` means that the rule
    could not be evaluated; `error_class` is then the class of the error.
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
        """Whether the finding stopped the batch from being published."""
        return self.severity == "critical" or self.broken

    @property
    def unit(self) -> str:
        """What `count` and `of` count."""
        return {UNREADABLE: "files", "quarantine_share": "records", COMPLETE: "records"}.get(self.rule, "rows")


def of_run(entry: Entry, history: list[Entry]) -> list[Finding]:
    """The failures of one run, those that block first."""
    made = [_finding(f, entry, history) for f in _merged(json.loads(entry.failures))]
    return sorted(made, key=lambda f: (not f.blocks, ("critical", "warning", "info").index(f.severity)))


def streak_of(last: Entry, history: list[Entry], holds: Callable[[Entry], bool]) -> list[Entry]:
    """The consecutive runs that satisfy `holds` and end with `last`, newest first."""
    earlier = [e for e in history if e.started_at < last.started_at]
    return [last, *takewhile(holds, reversed(earlier))]


def _finding(found: dict[str, Any], entry: Entry, history: list[Entry]) -> Finding:
    streak = streak_of(entry, history, lambda e: any(f["rule"] == found["rule"] for f in json.loads(e.failures)))
    return Finding(
        plain(found["rule"]),
        found["severity"],
        plain(found["reason"]),
        found["count"],
        found["of"] or _rows(found, entry),
        bool(found["error"]),
        ", ".join(dict.fromkeys(ERROR_CLASS.findall(found["error"] or ""))),
        entry.started_at,
        streak[-1].started_at,
        len(streak),
    )


def _rows(found: dict[str, Any], entry: Entry) -> int | None:
    """Rows of a rejected batch, for a rule that is evaluated on the whole batch. None when they are unknown."""
    rows = entry.metrics.get("rows_refused")
    return None if rows is None or found["rule"] == UNREADABLE or found["error"] else int(rows)


def _merged(failures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The failures, with all unreadable files merged into one failure that counts them."""
    files = [f for f in failures if f["rule"] == UNREADABLE]
    others = [f for f in failures if f["rule"] != UNREADABLE]
    return [{**files[0], "count": len(files), "of": None}, *others] if files else others


def plain(text: str) -> str:
    """The text as one printable line: without line breaks, control characters and direction marks."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
