"""The backlog of tables: which hours are due, and since when, as rows of the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from support.rows import at

from etl.engine.state import backlog
from etl.engine.state.entry import Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.engine.state.ledger import Ledger

NINE, TEN, NOON = at("09:00"), at("10:00"), at("12:00")


def published(table: str, when: datetime, version: int, *hours: datetime, **given: object) -> Entry:
    """A run published landed hours of a table."""
    column = "landed_hour" if table.startswith("bronze") else "share_hour"
    landed = {hour.isoformat(): "f" for hour in hours} if table.startswith("bronze") else {}
    entry = Entry(f"run-{when:%H%M}", table, when, output_version=version, affected_hours={column: list(hours)})
    entry.processed_hours, entry.fingerprints = list(hours), landed
    entry.input_versions = dict(given)  # type: ignore[arg-type]
    return entry


def shares(ledger: Ledger, landed: backlog.Arrivals | None = None) -> tuple[backlog.Backlog, backlog.Backlog]:
    """The backlog of the landing table and of the fact."""
    found = backlog.of_ledger(ledger, landed)
    return found["bronze_shares"], found["fct_shares"]


def test_an_hour_waits_since_the_publish_that_made_it_due() -> None:
    """The fact has made hour 9 and not hour 10; a later publish of hour 9 makes that hour due again."""
    ledger = InMemoryLedger(
        published("bronze_shares", NINE, 1, NINE),
        published("fct_shares", at("09:05"), 1, NINE, bronze_shares=1),
        published("bronze_shares", TEN, 2, TEN),
        published("bronze_shares", at("11:00"), 3, NINE),
    )
    landing, fact = shares(ledger)
    assert landing == backlog.Backlog("bronze_shares")
    assert (fact.hours, fact.since) == ((NINE, TEN), TEN)
    assert fact.age(NOON) == timedelta(hours=2)


def test_an_hour_that_no_run_has_read_waits_since_its_files_arrived() -> None:
    ledger = InMemoryLedger(published("bronze_shares", NINE, 1, NINE))
    landing, _ = shares(ledger, {"shares": {NINE: at("08:59"), TEN: at("10:30")}})
    assert (landing.hours, landing.since, landing.recovery) == ((TEN,), at("10:30"), ())
    assert landing.age(NOON) == timedelta(hours=1.5)


@pytest.mark.parametrize(("runs", "listed"), [(2, ()), (3, (NINE,))])
def test_a_failed_hour_waits_also_when_nobody_lists_the_landing_zone(runs: int, listed: tuple[datetime, ...]) -> None:
    failures = [Entry(f"run-{i}", "bronze_shares", at(f"09:{i:02}"), verdict="failed") for i in range(runs)]
    for failure in failures:
        failure.processed_hours = [NINE]
    landing, _ = shares(InMemoryLedger(*failures))
    assert (landing.hours, landing.since, landing.recovery) == ((NINE,), NINE, listed)


def test_nothing_waits_in_an_empty_lake() -> None:
    found = backlog.of_ledger(InMemoryLedger())
    assert {each.hours for each in found.values()} == {()}
    assert found["fct_shares"].age(NOON) == timedelta()
