"""What a run raised for a table is a row of the ledger, and so is that it is over."""

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
class Remembered:
    """A ledger in memory; `full` is a disk on which it cannot be written."""

    entries: list[Entry] = field(default_factory=list)
    full: bool = False

    def now(self) -> datetime:
        return datetime.now(UTC)

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)

    def flush(self) -> None:
        if self.full:
            raise LakeError("full")


def context(ledger: Remembered, interval: tuple[datetime, datetime] = INTERVAL) -> RunContext:
    unused = cast(Any, None)
    return RunContext(unused, unused, cast(Any, ledger), "run-1", unused, interval)


def test_an_error_is_a_row_without_any_value_and_a_gate_has_its_own() -> None:
    ledger = Remembered()
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
    ("span", "unchanged", "is_over"),
    [
        (INTERVAL, ["fct_shares"], True),
        ((INTERVAL[0], INTERVAL[1] - timedelta(hours=1)), ["fct_shares"], False),
        ((INTERVAL[1], INTERVAL[1] + timedelta(hours=1)), ["fct_shares"], False),
        (INTERVAL, ["fct_impressions"], False),
    ],
)
def test_a_later_run_over_all_its_hours_ends_it_though_nothing_was_due(
    interval: tuple[datetime, datetime], unchanged: list[str], is_over: bool
) -> None:
    """Only such a run: others leave no row, as ever, or one for the hours they had."""
    ledger = Remembered()
    run_errors.record(context(ledger), {"fct_shares": LakeError("x")}, [])

    run_errors.record(context(ledger, interval), {}, unchanged)

    assert (run_errors.open_errors(ledger.entries) == []) is is_over
    assert {e.verdict for e in ledger.entries} <= {ERROR, RECOVERED}
    before = len(ledger.entries)
    run_errors.record(context(ledger, interval), {}, unchanged if is_over else [])
    assert len(ledger.entries) == before


def test_a_ledger_that_cannot_be_written_leaves_the_error_to_the_failure_log() -> None:
    error = LakeError("x")
    run_errors.record(context(Remembered(full=True)), {"fct_shares": error}, [])
    assert not error.is_recorded
