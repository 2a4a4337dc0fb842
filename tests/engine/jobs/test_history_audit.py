"""The hours of a run are judged by what the ledger knows of earlier ones. These tests need no Spark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from etl import catalog
from etl.conf.sections import History
from etl.engine.delta.checksums import Content
from etl.engine.jobs import history_audit, results
from etl.engine.jobs.history_audit import Batch
from etl.engine.quality import history_gate, suites
from etl.engine.quality.rule import Rule
from etl.engine.quality.verdict import Failure
from etl.engine.state import measures
from etl.engine.state.entry import ACCEPTED, Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger

TABLE = catalog.entry("fct_impressions").table
NOW, HOUR = datetime(2026, 6, 29, 10, tzinfo=UTC), timedelta(hours=1)
ROWS = Rule("expect_within_history", {"metric": "row_count"}, "critical", "A test.")
SURFACES = Rule("expect_within_history", {"metric": "categories", "column": "surface"}, "critical", "A test.")
USUAL = {"home": 4000, "search": 1000}


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Rule]]:
    """The rules about history of the table; a test may replace them."""
    given = [ROWS, SURFACES]
    monkeypatch.setattr(suites, "history", lambda _table: given)
    yield given


def published(hour: datetime, rows: int, **more: Any) -> Entry:
    """The ledger row of a run that published an hour."""
    state = {"hour": hour, "row_count": rows, "checksum": "0-0"}
    measure = {"hour": hour, "rule": "categories(surface)", "rows": rows, "categories": USUAL}
    return Entry(
        "run", TABLE.name, hour + HOUR, processed_hours=[hour], published_hours=[state], measures=[measure], **more
    )


def weeks(rows: int = 5000, until: datetime = NOW) -> list[Entry]:
    """Ledger rows of the hours of four weeks, with one percent of noise."""
    first = NOW - timedelta(weeks=4)
    hours = [first + n * HOUR for n in range(int((until - first) / HOUR))]
    return [published(hour, rows + rows * (n * 7919 % 200 - 100) // 10_000) for n, hour in enumerate(hours)]


def run(
    known: list[Entry], rows: int, surfaces: dict[str, int] | None = None, at: datetime = NOW, **context: Any
) -> tuple[Entry, list[Failure]]:
    """The ledger row and the failures of a run that makes one hour with so many rows."""
    entry = Entry("new", TABLE.name, at + HOUR, processed_hours=[at], rules=1)
    settings = SimpleNamespace(history=History())
    given = {"shard_of": lambda _table: None, "judges_history": True, "settings": settings, **context}
    made = SimpleNamespace(ledger=InMemoryLedger(*known), **given)
    content = {at: Content(rows)}
    batch = Batch(content, {at: {"categories(surface)": surfaces or USUAL}})
    return entry, history_audit.failures(made, TABLE, entry, batch, content)  # type: ignore[arg-type]


def test_a_drop_names_what_was_expected_and_what_came(rules: list[Rule]) -> None:
    entry, (failure,) = run(weeks(), 3000)
    assert (failure.rule, failure.severity) == ("expect_within_history(row_count)", "critical")
    assert failure.counted.startswith("expect_within_history(row_count): 2026-06-29T10: 3,000, expected 5,0")
    assert [m["verdict"] for m in entry.measures] == ["failed", "passed"]


def test_a_usual_hour_passes(rules: list[Rule]) -> None:
    entry, failures = run(weeks(), 5010)
    assert failures == []
    assert [m["verdict"] for m in entry.measures] == ["passed", "passed"]


def test_an_hour_without_any_row_is_an_alarm(rules: list[Rule]) -> None:
    _, failures = run(weeks(), 0)
    assert [f.rule for f in failures] == ["expect_within_history(row_count)"]


def test_a_young_lake_has_measures_and_no_verdict(rules: list[Rule]) -> None:
    entry, failures = run(weeks()[-300:], 10)
    assert failures == []
    assert [(m["rule"], m.get("verdict")) for m in entry.measures] == [
        ("row_count", None),
        ("categories(surface)", None),
    ]
    ledger = InMemoryLedger(replace(entry, verdict="passed"))
    assert measures.without_verdict(ledger, TABLE) == 1


def test_moved_categories_are_a_warning_when_the_change_is_small(rules: list[Rule]) -> None:
    _, (small,) = run(weeks(), 5000, {"home": 3200, "search": 1800})
    _, (large,) = run(weeks(), 5000, {"home": 1000, "search": 4000})
    assert (small.severity, large.severity) == ("warning", "critical")
    assert "stability index" in large.reason


def test_hours_that_broke_a_rule_are_not_its_history(rules: list[Rule]) -> None:
    """For two weeks the hours have half of their rows. A new such hour fails, and says since when it is so."""
    shift = NOW - timedelta(weeks=2)
    known = weeks(until=shift)
    for n in range(2 * 168):
        hour = shift + n * HOUR
        failed = {"hour": hour, "rule": "row_count", "rows": 2500, "value": 2500.0, "verdict": "failed"}
        known.append(replace(published(hour, 2500), measures=[failed]))
    recent = weeks()[: 3 * 168] + known[3 * 168 :]  # one failed week: three weeks are enough
    _, (failure,) = run(recent, 2500)
    assert "since 2026-06-22T10" in failure.reason


def test_after_a_shift_is_accepted_only_later_hours_are_history(rules: list[Rule]) -> None:
    assert [f.rule for f in run(weeks(2500), 5000)[1]] == ["expect_within_history(row_count)"]
    shift = NOW - timedelta(weeks=1)
    accepted = Entry("a", TABLE.name, NOW, verdict=ACCEPTED, accepted_rule="row_count", accepted_from=shift)
    entry, failures = run([*weeks(2500), accepted], 5000)
    assert failures == []
    assert entry.measures[0].get("verdict") is None


def test_a_new_rule_is_a_warning_for_two_weeks_and_leaves_older_hours_alone(rules: list[Rule]) -> None:
    rules[:] = [replace(ROWS, since=date(2026, 6, 20))]
    _, (failure,) = run(weeks(), 10)
    assert failure.severity == "warning"
    rules[:] = [replace(ROWS, since=date(2026, 6, 1))]
    assert [f.severity for f in run(weeks(), 10)[1]] == ["critical"]
    rules[:] = [replace(ROWS, since=date(2026, 6, 30))]
    assert run(weeks(), 10)[1] == []
    rules[:] = [replace(ROWS, since=date(2026, 6, 29))]
    yesterday = NOW - timedelta(days=1)
    again = run(weeks(), 10, at=yesterday)[0]
    assert again.measures == [] or again.measures[0].get("verdict") is None


def test_a_shard_and_a_backfill_judge_nothing(rules: list[Rule]) -> None:
    assert run(weeks(), 10, shard_of=lambda _table: object())[1] == []
    entry, failures = run(weeks(), 10, judges_history=False)
    assert failures == []
    assert entry.measures[0]["value"] == 10


def test_late_records_do_not_replace_the_measures_of_an_hour(rules: list[Rule]) -> None:
    known = [*weeks(), published(NOW, 5000)]
    entry, _ = run(known, 20, {"home": 20})
    assert [m["rule"] for m in entry.measures] == ["row_count"]


def test_a_rule_that_cannot_be_evaluated_fails(rules: list[Rule], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no frame")

    monkeypatch.setattr(history_gate, "judge_frame", broken)
    _, (failure,) = run(weeks(), 5000)
    assert failure.severity == "critical"
    assert failure.error == "no frame"


def test_every_rule_of_a_run_is_a_row_of_dq_result(rules: list[Rule]) -> None:
    entry, _ = run(weeks(), 3000)
    entry.failures = "[]"
    rows = results.of_entries([replace(entry, verdict="failed")])
    by_rule = {row["rule"]: row for row in rows}
    rows_rule = by_rule["expect_within_history(row_count)"]
    assert (rows_rule["verdict"], rows_rule["observed"]) == ("failed", 3000)
    assert rows_rule["threshold"] < rows_rule["expected"]
    assert rows_rule["rule_version"] == ROWS.version
    assert by_rule["unexpected_rows_expectation(key)"]["verdict"] == "passed"
    assert {row["hour"] for row in rows} == {NOW}
    assert len(rows) == len(suites.suite(TABLE)) + 2
