"""How a run with a backlog makes the hours of one table: in which order, and what a failed hour holds back.

The ledger is in memory, and the job that makes the hours is replaced.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import pytest
from support.rows import at

from etl import catalog
from etl.engine.jobs import by_hour, derive
from etl.engine.jobs.run_context import RunContext
from etl.engine.state.entry import ERROR, Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.engine.state.ledger import Ledger
from etl.errors import LakeError
from etl.model.contract import Table

HOURS = [at(f"{hour:02}:00") for hour in range(8)]
FACT = catalog.entry("fct_shares").table


class LedgerOnPaper(InMemoryLedger):
    """A ledger that needs no disk to be written to."""

    def flush(self) -> None:
        self._unwritten.clear()


def context(ledger: Ledger) -> RunContext:
    """A run over all hours."""
    unused = cast(Any, None)
    return RunContext(unused, unused, ledger, "run-1", unused, (HOURS[0], HOURS[-1] + (HOURS[1] - HOURS[0])))


@pytest.fixture
def run() -> RunContext:
    """A run for which all hours are due: they have landed."""
    landed = Entry("run-0", "bronze_shares", HOURS[0], output_version=1, affected_hours={"landed_hour": list(HOURS)})
    return context(LedgerOnPaper(landed))


class Job:
    """Makes the hours that the context selects, unless one of them is bad. `tried` has the hours of each attempt."""

    def __init__(self, *bad: datetime) -> None:
        self.bad, self.tried = set(bad), cast(list[list[datetime]], [])

    def __call__(self, given: RunContext, table: Table) -> Entry | None:
        hours = derive.due_hours(given, table)
        self.tried.append(hours)
        if self.bad.intersection(hours):
            raise LakeError("a bad hour: row 7")
        entry = Entry("run-1", table.name, given.ledger.now(), input_versions={"bronze_shares": 1})
        entry.processed_hours = hours
        given.ledger.append(entry)
        return entry


def alone(*hours: datetime) -> list[list[datetime]]:
    return [[hour] for hour in hours]


def test_all_hours_are_made_at_once_when_none_fails(run: RunContext) -> None:
    job = Job()
    result = by_hour.make_hours(run, FACT, job, each_alone=False)
    assert (job.tried, len(result.entries), result.errors) == ([HOURS], 1, [])


@pytest.mark.parametrize("each_alone", [True, False], ids=["one by one", "at once, then one by one"])
def test_a_bad_hour_fails_alone(run: RunContext, each_alone: bool) -> None:
    job = Job(HOURS[3])
    result = by_hour.make_hours(run, FACT, job, each_alone)
    assert job.tried == ([] if each_alone else [HOURS]) + alone(*HOURS)
    assert [hour for entry in result.entries for hour in entry.processed_hours] == HOURS[:3] + HOURS[4:]
    assert list(map(str, result.errors)) == ["a bad hour: row 7"]
    assert run.selection.not_made == {"fct_shares": {HOURS[3]}}
    (recorded,) = [entry for entry in run.ledger.entries if entry.verdict == ERROR]
    assert (recorded.range_from, recorded.range_to, recorded.reason) == (HOURS[3], HOURS[4], "LakeError: a bad hour")


def test_the_newest_hour_comes_first_where_it_serves_readers(run: RunContext) -> None:
    job = Job()
    by_hour.make_hours(run, replace(FACT, freshness="serving"), job, each_alone=True)
    assert job.tried == alone(*HOURS[::-1])


def test_a_bad_hour_holds_back_the_later_ones_of_a_table_that_is_made_in_order(run: RunContext) -> None:
    job = Job(HOURS[3])
    by_hour.make_hours(run, replace(FACT, oldest_first=True), job, each_alone=True)
    assert job.tried == alone(*HOURS[:4])
    assert run.selection.not_made == {"fct_shares": set(HOURS[3:])}


def test_a_run_gives_up_a_table_when_many_hours_fail_one_after_the_other(run: RunContext) -> None:
    job = Job(*HOURS)
    by_hour.make_hours(run, FACT, job, each_alone=True)
    assert job.tried == alone(*HOURS[: by_hour.MAX_IN_A_ROW])
    assert run.selection.not_made == {"fct_shares": set(HOURS)}


def test_a_success_between_failures_lets_the_run_go_on(run: RunContext) -> None:
    job = Job(*HOURS[:4], *HOURS[5:])
    by_hour.make_hours(run, FACT, job, each_alone=True)
    assert job.tried == alone(*HOURS)


def test_nothing_due_is_no_failure() -> None:
    result = by_hour.make_hours(context(LedgerOnPaper()), FACT, Job(), each_alone=True)
    assert result.errors == []


def test_a_bug_ends_the_run(run: RunContext) -> None:
    """It is not the fault of an hour."""

    def broken(_context: RunContext, _table: Table) -> Entry | None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        by_hour.make_hours(run, FACT, broken, each_alone=True)
