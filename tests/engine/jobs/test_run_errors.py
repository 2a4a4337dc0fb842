"""A run records the error of a table in the ledger, and also that a later run has recovered from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from support.rows import at

from etl.engine.jobs import run_errors
from etl.engine.jobs.run_context import RunContext
from etl.engine.state.entry import ERROR, RECOVERED, Entry
from etl.errors import FeedEtlError, GateFailed, LakeError

INTERVAL = at("10:00"), at("12:00")


@dataclass
class MemoryLedger:
    """A ledger in memory. With `full` it raises as on a full disk."""

    entries: list[Entry] = field(default_factory=list)
    full: bool = False

    def now(self) -> datetime:
        return datetime.now(UTC)

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)

    def flush(self) -> None:
        if self.full:
            raise LakeError("full")


def context(ledger: MemoryLedger, interval: tuple[datetime, datetime] = INTERVAL) -> RunContext:
    unused = cast(Any, None)
    return RunContext(unused, unused, cast(Any, ledger), "run-1", unused, interval)


def test_an_error_is_recorded_without_values_and_a_failed_gate_is_not_recorded_twice() -> None:
    ledger = MemoryLedger()
    errors: dict[str, FeedEtlError] = {
        "fct_shares": LakeError("fct_shares is gone: row 7"),
        "dim_posts": GateFailed(""),
    }

    run_errors.record(context(ledger), errors, [])

    assert [(e.table_name, e.verdict, e.reason) for e in ledger.entries] == [
        ("fct_shares", ERROR, "LakeError: fct_shares is gone")
    ]
    assert all(error.is_recorded for error in errors.values())


@pytest.mark.parametrize(
    ("interval", "unchanged", "is_closed"),
    [
        (INTERVAL, ["fct_shares"], True),
        ((INTERVAL[0], INTERVAL[1] - timedelta(hours=1)), ["fct_shares"], False),
        ((INTERVAL[1], INTERVAL[1] + timedelta(hours=1)), ["fct_shares"], False),
        (INTERVAL, ["fct_impressions"], False),
    ],
)
def test_an_error_is_closed_by_a_run_of_all_its_hours_even_when_nothing_was_due(
    interval: tuple[datetime, datetime], unchanged: list[str], is_closed: bool
) -> None:
    """A run of fewer hours, of other hours or of another table does not close it. A closed error gets no new row."""
    ledger = MemoryLedger()
    run_errors.record(context(ledger), {"fct_shares": LakeError("x")}, [])

    run_errors.record(context(ledger, interval), {}, unchanged)

    assert (run_errors.open_errors(ledger.entries) == []) is is_closed
    assert {e.verdict for e in ledger.entries} <= {ERROR, RECOVERED}
    before = len(ledger.entries)
    run_errors.record(context(ledger, interval), {}, unchanged if is_closed else [])
    assert len(ledger.entries) == before


def test_an_error_is_not_marked_as_recorded_when_the_ledger_cannot_be_written() -> None:
    """The failure log then reports it."""
    error = LakeError("x")
    run_errors.record(context(MemoryLedger(full=True)), {"fct_shares": error}, [])
    assert not error.is_recorded
