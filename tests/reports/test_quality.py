"""What a report says follows from the ledger alone."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from support.report_stories import DAY, HOUR, NOON, found, ran

from etl import catalog
from etl.engine.state.entry import Entry
from etl.errors import ConfigError
from etl.model.contract import Table
from etl.reports import quality_reports
from etl.reports.quality import FAILED, IDLE, PASSED, WAITING, WARNED, TableState, owners, states

KEY = found("unexpected_rows_expectation(key)")
TODAY = datetime(2026, 6, 1, tzinfo=NOON.tzinfo)


def state(*entries: Entry, table: str = "fct_shares") -> TableState:
    """A table at the end of 1 June."""
    return states(list(entries), TODAY, TODAY + DAY)[table]


def test_a_table_is_failed_since_the_first_refusal_in_a_row() -> None:
    """Runs at 9 (refused), 10 (passed), 11, 12, 13 (refused): three in a row, the first at 11."""
    story = [ran("fct_shares", NOON + n * HOUR, *([] if n == -2 else [KEY])) for n in (-3, -2, -1, 0, 1)]

    made = state(*story)

    assert made.verdict == FAILED
    assert [e.started_at for e in made.row] == [NOON + HOUR, NOON, NOON - HOUR]
    assert (made.findings[0].runs, made.findings[0].since) == (3, NOON - HOUR)


def test_a_rule_is_broken_since_it_broke_not_since_its_table_failed() -> None:
    """At 11 another rule failed; the key only from 12 on."""
    other = found("expect_column_values_to_not_be_null(post_id)")

    made = state(ran("fct_shares", NOON - HOUR, other), ran("fct_shares", NOON, other, KEY))

    assert {f.rule: f.since for f in made.findings} == {other["rule"]: NOON - HOUR, KEY["rule"]: NOON}


def test_an_hour_that_was_refused_stays_open_though_later_hours_pass() -> None:
    """The hour of 11 was refused, the hour of 12 came through: 11 is still not published."""
    made = state(ran("fct_shares", NOON, KEY), ran("fct_shares", NOON + HOUR))

    assert (made.verdict, made.open_hours) == (FAILED, [NOON - HOUR])


def test_an_hour_published_at_last_is_closed() -> None:
    made = state(ran("fct_shares", NOON, KEY), ran("fct_shares", NOON + HOUR, hours=[NOON - HOUR]))

    assert (made.verdict, made.refusals, made.gates_failed) == (PASSED, [], 1)


def test_what_failed_yesterday_and_was_not_mended_is_failed_today() -> None:
    made = state(ran("fct_shares", NOON - DAY, KEY))

    assert (made.verdict, made.entries) == (FAILED, [])


def test_a_refused_quarantine_is_not_hidden_by_another_event_of_the_same_run() -> None:
    """Its rows name no hours, so only a later run can close it."""
    bad = ran("quarantine", NOON, KEY, hours=[])
    good = ran("quarantine", NOON, hours=[], started_at=NOON + HOUR / 60)

    assert state(bad, good, table="quarantine").verdict == FAILED
    assert state(bad, good, ran("quarantine", NOON + HOUR, hours=[]), table="quarantine").verdict == PASSED


@pytest.mark.parametrize(("severity", "verdict"), [("warning", WARNED), ("info", PASSED)])
def test_a_lesser_failure_is_listed_and_only_a_warning_changes_the_verdict(severity: str, verdict: str) -> None:
    made = state(ran("fct_shares", NOON, {**KEY, "severity": severity}))

    assert (made.verdict, [(f.severity, f.count, f.of) for f in made.findings]) == (verdict, [(severity, 3, 100)])


def test_a_table_waits_when_something_it_reads_failed_however_far_up() -> None:
    """bronze_impressions fails: the fact, the rollups and the marts wait; shares do not."""
    seen = states([ran("bronze_impressions", NOON, KEY)], TODAY, TODAY + DAY)

    assert {n for n, s in seen.items() if s.verdict == WAITING} == {
        "fct_impressions",
        "agg_post_engagement_hourly",
        "agg_ranker_hourly",
        "mart_post_engagement_daily",
        "mart_user_affinity_daily",
        "mart_ranker_viewer_daily",
        "agg_ingest_hourly",
    }
    assert seen["fct_shares"].verdict == IDLE


def test_a_day_counts_the_runs_that_started_in_it() -> None:
    """From midnight to midnight, UTC."""
    story = [ran("fct_shares", TODAY + n * HOUR, rows_written=10**i) for i, n in enumerate((-1, 0, 23, 24))]

    assert state(*story).total("rows_written") == 10 + 100


def test_a_rule_asked_of_the_batch_counts_of_the_rows_of_the_batch() -> None:
    """The ledger has no `of` for it, but how many rows were refused."""
    made = state(ran("fct_shares", NOON, {**KEY, "of": None}, metrics={"rows_refused": 4120.0}))

    assert (made.findings[0].count, made.findings[0].of) == (3, 4120)


def test_unreadable_files_are_one_finding_that_counts_files() -> None:
    lost = found("files_are_readable", 1, 1)

    (finding,) = state(ran("bronze_shares", NOON, lost, lost), table="bronze_shares").findings

    assert (finding.count, finding.of, finding.unit) == (2, None, "files")


def test_an_error_leaves_its_class_only() -> None:
    """Its text may hold a value of a row."""
    broken = found("suite", None, None, error="[CAST_INVALID_INPUT] The value 'anna@example.org' cannot be cast")

    (finding,) = state(ran("fct_shares", NOON, broken)).findings

    assert finding.blocks
    assert finding.error_class == "CAST_INVALID_INPUT"
    assert "anna" not in repr(finding)


def test_every_owner_gets_a_report_with_exactly_his_tables() -> None:
    made = quality_reports.of_day([], date(2026, 6, 1))

    named: dict[str, list[Table]] = {r.owner: [s.table for s in r.states] for r in made}
    assert list(named) == owners()
    assert all(t.owner == owner for owner, mine in named.items() for t in mine)
    assert sum(map(len, named.values())) == len(states([], TODAY, TODAY))


def test_a_subject_that_never_landed_is_in_no_report() -> None:
    """In a lake of the feed nobody hears of ads: neither who owns nothing else, nor who owns tables of both."""
    made = {r.owner: r for r in quality_reports.of_day([ran("fct_shares", NOON)], date(2026, 6, 1))}

    assert list(made) == ["content", "ingest", "personalisation", "ranking"]
    assert all("feed" in catalog.subjects_of(s.table) for report in made.values() for s in report.states)
    assert quality_reports.of_day([ran("fct_shares", NOON)], date(2026, 6, 1), "billing") == []


def test_a_run_is_told_to_the_owners_of_what_failed_in_it_and_as_it_was_then() -> None:
    """fct_shares (content) failed at noon, and again later; fct_impressions (ranking) passed."""
    story = [ran("fct_shares", NOON, KEY), ran("fct_impressions", NOON), ran("fct_shares", NOON + HOUR, KEY)]

    (made,) = quality_reports.of_run(story, "run-20260601T1200")

    assert (made.owner, [s.table.name for s in made.states], len(made.states[0].row)) == ("content", ["fct_shares"], 1)


def test_an_unknown_run_and_an_unknown_owner_are_refused() -> None:
    with pytest.raises(ConfigError, match="no run 'never'"):
        quality_reports.of_run([], "never")
    with pytest.raises(ConfigError, match=r"no owner 'nobody'.*ranking"):
        quality_reports.of_day([], date(2026, 6, 1), "nobody")
