"""Builds ledger rows from the few values that matter to a test."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from etl.engine.state.entry import Entry

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
Found = dict[str, Any]


def found(rule: str, count: int | None = 3, of: int | None = 100, severity: str = "critical", error: str = "") -> Found:
    """A failed rule in the form of the ledger."""
    return {"rule": rule, "severity": severity, "reason": "A reason.", "count": count, "of": of, "error": error}


def ran(table: str, when: datetime, *failures: Found, hours: list[datetime] | None = None, **given: Any) -> Entry:
    """The ledger row of a run of a table. A critical failure or an error makes it a rejection, as in the gate."""
    hours = [when.replace(minute=0) - HOUR] if hours is None else hours
    entry = Entry(
        f"run-{when:%Y%m%dT%H%M}",
        table,
        when,
        when - HOUR,
        when,
        processed_hours=hours,
        rules=20,
        failures=json.dumps(failures),
        rows_written=1000,
        output_version=int(when.timestamp()),
    )
    if any(f["severity"] == "critical" or f["error"] for f in failures):
        entry.verdict, entry.rows_written, entry.output_version = "failed", 0, None
        entry.reason = f"batch kept at file:///lake/_rejected/{table}/{entry.run_id}"
    for name, value in given.items():
        setattr(entry, name, value)
    return entry
