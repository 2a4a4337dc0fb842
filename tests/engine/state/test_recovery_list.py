"""The recovery list, as rows of the ledger: which hours failed in three runs and were not made since."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from support.rows import at

from etl.engine.state import recovery_list
from etl.engine.state.entry import ERROR, RECOVERED, Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger

NINE, TEN, ELEVEN = at("09:00"), at("10:00"), at("11:00")


def run(number: int, verdict: str, *hours: datetime, reason: str = "") -> Entry:
    """A row of a run that made or tried these hours. An error has no hours of its own, but an interval."""
    entry = Entry(f"run-{number}", "fct_shares", at(f"12:{number:02}"), verdict=verdict, reason=reason)
    if verdict in (ERROR, RECOVERED):
        entry.range_from, entry.range_to = hours[0], ELEVEN if len(hours) == 2 else TEN
    else:
        entry.processed_hours = list(hours)
    return entry


def listed(*entries: Entry) -> dict[str, list[datetime]]:
    return {table: list(hours) for table, hours in recovery_list.listed(entries).items()}


@pytest.mark.parametrize(("entries", "hours"), [
    ([run(i, "failed", NINE) for i in (1, 2)], []),
    ([run(i, "failed", NINE) for i in (1, 2, 3)], [NINE]),
    ([run(1, "failed", NINE), run(1, "failed", NINE), run(1, "failed", NINE)], []),
    ([*(run(i, "failed", NINE) for i in (1, 2, 3)), run(4, "passed", NINE)], []),
    ([*(run(i, "failed", NINE) for i in (1, 2)), run(3, "passed", NINE), run(4, "failed", NINE)], []),
    ([*(run(i, "failed", NINE, TEN) for i in (1, 2, 3)), run(4, "passed", TEN)], [NINE]),
    ([run(i, ERROR, NINE, TEN, reason="LakeError: x") for i in (1, 2, 3)], [NINE, TEN]),
    ([run(i, ERROR, NINE, TEN, reason="ConflictError: x") for i in (1, 2, 3)], []),
    ([*(run(i, ERROR, NINE, reason="LakeError: x") for i in (1, 2, 3)), run(4, RECOVERED, NINE)], []),
], ids=["twice", "three runs", "three times in one run", "made since", "made between", "one of two made since",
        "errors", "other runs were faster", "recovered"])  # fmt: skip
def test_an_hour_is_listed_after_three_failed_runs(entries: list[Entry], hours: list[datetime]) -> None:
    assert listed(*entries) == ({"fct_shares": hours} if hours else {})


def test_a_failed_hour_knows_since_when_and_with_which_files_it_fails() -> None:
    runs = [run(i, "failed", NINE, reason=f"reason {i}") for i in (1, 2, 3)]
    runs[2].fingerprints = {NINE.isoformat(): "f3"}
    (failed,) = recovery_list.flat(recovery_list.listed(runs))
    assert (failed.table, failed.hour, len(failed.runs)) == ("fct_shares", NINE, 3)
    assert (failed.since, failed.reason, failed.fingerprint) == (at("12:01"), "reason 3", "f3")


def test_only_hours_that_are_due_are_tried_again() -> None:
    """Hours 9 and 10 landed, hour 11 did not; retention then removed hour 9."""
    landed = Entry("run-0", "bronze_shares", NINE, output_version=1, affected_hours={"landed_hour": [NINE, TEN]})
    failures = [run(i, "failed", NINE, TEN, ELEVEN) for i in (1, 2, 3)]
    kept = Entry("maintain", "fct_shares", at("13:00"), kept_from=TEN)
    due = recovery_list.still_due
    assert list(due(InMemoryLedger(landed, *failures))["fct_shares"]) == [NINE, TEN]
    assert list(due(InMemoryLedger(landed, *failures, kept))["fct_shares"]) == [TEN]


def test_a_landed_hour_that_is_published_is_due_only_when_newer_files_failed() -> None:
    published = Entry("run-0", "bronze_shares", NINE, fingerprints={NINE.isoformat(): "old", TEN.isoformat(): "old"})
    failures = [replace(run(i, "failed", NINE, TEN), table_name="bronze_shares") for i in (1, 2, 3)]
    failures[2].fingerprints = {TEN.isoformat(): "new"}
    assert list(recovery_list.still_due(InMemoryLedger(published, *failures))["bronze_shares"]) == [TEN]
