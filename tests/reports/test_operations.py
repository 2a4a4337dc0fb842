"""Gates, freshness, cost, skew and coverage, computed from the ledger."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from support.rows import at

from etl import catalog
from etl.engine.landing import arrivals
from etl.engine.state.entry import Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.reports import freshness, operations

TEN, ELEVEN, NOON = at("10:00"), at("11:00"), at("12:00")
NO_FILES = arrivals.EMPTY


def entry(table: str, hour: datetime = TEN, **given: Any) -> Entry:
    """A run of a table over one landed hour."""
    made = Entry(
        f"run-{hour:%H}", table, hour + timedelta(minutes=65), hour, hour + timedelta(hours=1), processed_hours=[hour]
    )
    for name, value in given.items():
        setattr(made, name, value)
    return made


def landed(table: str, hour: datetime, fingerprint: str = "abc", **given: Any) -> Entry:
    """A run of a bronze table."""
    return entry(table, hour, fingerprints={hour.isoformat(): fingerprint}, **given)


def test_the_last_verdict_decides_the_state_of_a_gate() -> None:
    failure = {"rule": "key()", "severity": "critical", "reason": "r", "count": 1, "of": 2, "error": ""}
    ledger = InMemoryLedger(
        entry("fct_shares", verdict="failed", failures=json.dumps([failure])),
        entry("fct_shares", ELEVEN),
        entry("fct_impressions"),
        entry("fct_impressions", ELEVEN, verdict="failed", failures=json.dumps([failure])),
    )

    found = {g.table.name: (g.state, len(g.failures)) for g in operations.gates(ledger)}

    assert found["fct_shares"] == ("passed", 0)
    assert found["fct_impressions"] == ("failed", 1)
    assert found["fct_engagements"] == ("never judged", 0)


def test_gates_are_only_of_subjects_that_ran() -> None:
    """Every subject writes quarantine, so quarantine does not show which subject ran."""
    feed = InMemoryLedger(entry("fct_shares"), entry("quarantine"))
    ads = InMemoryLedger(entry("fct_ad_clicks"), entry("quarantine"))

    shown = [{g.table.name for g in operations.gates(ledger)} for ledger in (feed, ads)]

    assert shown == [set(catalog.of_subjects(["feed"])), set(catalog.of_subjects(["ads"]))]
    assert operations.subjects([]) == ["feed", "ads"]


def test_landed_hours_of_another_subject_do_not_make_a_subject_late() -> None:
    """Ads landed an hour after the feed. The feed has all of its own hours."""
    ledger = InMemoryLedger(landed("bronze_shares", TEN), landed("bronze_ad_clicks", ELEVEN))

    found = {f.table.name: f.behind_hours for f in freshness.of_tables(ledger)}

    assert (found["bronze_shares"], found["bronze_ad_clicks"]) == (0, 0)
    assert freshness.landed(ledger, ["feed"]) == {TEN}


def test_a_rejected_hour_counts_as_landed() -> None:
    """The gate rejected 11:00. It is the newest landed hour, and bronze is one hour behind."""
    ledger = InMemoryLedger(landed("bronze_shares", TEN), landed("bronze_shares", ELEVEN, verdict="failed"))

    found = {f.table.name: f for f in freshness.of_tables(ledger)}

    assert freshness.newest_landed(ledger) == ELEVEN
    assert found["bronze_shares"].newest == TEN and found["bronze_shares"].behind_hours == 1


def test_an_hour_without_files_has_not_landed() -> None:
    ledger = InMemoryLedger(landed("bronze_shares", TEN), landed("bronze_shares", ELEVEN, NO_FILES))

    assert freshness.newest_landed(ledger) == TEN


def test_a_table_without_changed_inputs_is_not_behind() -> None:
    """No share landed at 11:00, so no hour of the fact is due."""
    ledger = InMemoryLedger(
        landed("bronze_shares", TEN, affected_hours={"landed_hour": [TEN]}, output_version=1),
        landed("bronze_shares", ELEVEN),
        entry("fct_shares", TEN, input_versions={"bronze_shares": 1}),
    )

    found = {f.table.name: f.behind_hours for f in freshness.of_tables(ledger)}

    assert found["bronze_shares"] == 0 and found["fct_shares"] == 0
    assert found["fct_impressions"] is None


def test_a_table_is_behind_by_its_due_hours() -> None:
    ledger = InMemoryLedger(
        landed("bronze_shares", TEN, affected_hours={"landed_hour": [TEN]}, output_version=1),
        landed("bronze_shares", ELEVEN, affected_hours={"landed_hour": [ELEVEN]}, output_version=2),
        entry("fct_shares", TEN, input_versions={"bronze_shares": 1}),
    )

    assert {f.table.name: f.behind_hours for f in freshness.of_tables(ledger)}["fct_shares"] == 1


def test_a_table_is_at_least_as_far_behind_as_its_inputs() -> None:
    """The gate of bronze rejected 11:00. No hour of the fact is due, but the fact is one hour behind like bronze."""
    ledger = InMemoryLedger(
        landed("bronze_shares", TEN, affected_hours={"landed_hour": [TEN]}, output_version=1),
        landed("bronze_shares", ELEVEN, verdict="failed"),
        entry("fct_shares", TEN, input_versions={"bronze_shares": 1}),
    )

    assert {f.table.name: f.behind_hours for f in freshness.of_tables(ledger)}["fct_shares"] == 1


def test_future_hours_of_a_table_that_looks_ahead_do_not_count() -> None:
    """Clicks of 10:00 also change sessions of later hours, which hold nothing yet."""
    ledger = InMemoryLedger(landed("bronze_ad_clicks", TEN), entry("fct_ad_clicks", TEN, processed_hours=[TEN, ELEVEN]))

    assert {f.table.name: f.newest for f in freshness.of_tables(ledger)}["fct_ad_clicks"] == TEN


def test_runs_of_other_hours_are_outside_the_interval() -> None:
    ledger = InMemoryLedger(entry("fct_shares", TEN), entry("fct_shares", ELEVEN), entry("fct_shares", NOON))

    found = operations.in_range(ledger, (ELEVEN, NOON))

    assert [e.range_from for e in found] == [ELEVEN]


def test_cost_sums_the_runs_of_a_table_most_expensive_first() -> None:
    entries = [
        entry("fct_shares", TEN, seconds=2.0, rows_written=5),
        entry("fct_shares", ELEVEN, seconds=3.0, rows_written=6),
        entry("fct_impressions", TEN, seconds=9.0),
    ]

    found = [(c.table.name, c.runs, c.seconds, c.rows) for c in operations.costs(entries)]

    assert found == [("fct_impressions", 1, 9.0, 0), ("fct_shares", 2, 5.0, 11)]
    assert operations.runs(entries) == {"run-10": 11.0, "run-11": 3.0}


def test_skew_comes_from_the_newest_publish_of_each_fact() -> None:
    entries = [
        entry("fct_shares", TEN, metrics={"skew": 3.0, "tasks": 2.0}),
        entry("fct_shares", ELEVEN, metrics={"skew": 1.1, "tasks": 4.0}),
        entry("fct_shares", NOON),
        entry("bronze_shares", NOON, metrics={"skew": 2.0, "tasks": 2.0}),
    ]

    assert [(s.table.name, s.ratio, s.tasks) for s in operations.skews(entries)] == [("fct_shares", 1.1, 4)]


def test_an_hour_that_lost_its_rows_is_not_covered() -> None:
    with_rows, empty = (
        {"hour": TEN, "row_count": 3, "checksum": "0-0"},
        {"hour": TEN, "row_count": 0, "checksum": "0-0"},
    )
    first = entry("fct_shares", published_hours=[with_rows]), entry("fct_impressions", published_hours=[with_rows])
    ledger = InMemoryLedger(*first, entry("fct_impressions", ELEVEN, published_hours=[empty]))

    found = operations.coverage(ledger, (TEN, NOON))

    assert found["fct_shares"] == {TEN} and found["fct_impressions"] == set()
