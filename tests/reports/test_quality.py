"""Quality reports are computed from the ledger alone."""

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
    """The state of a table at the end of 1 June."""
    return states(list(entries), TODAY, TODAY + DAY)[table]


def test_a_table_has_failed_since_the_first_consecutive_rejection() -> None:
    """Runs at 9 (rejected), 10 (passed), 11, 12, 13 (rejected): three in a row, the first at 11."""
    story = [ran("fct_shares", NOON + n * HOUR, *([] if n == -2 else [KEY])) for n in (-3, -2, -1, 0, 1)]

    result = state(*story)

    assert result.verdict == FAILED
    assert [e.started_at for e in result.streak] == [NOON + HOUR, NOON, NOON - HOUR]
    assert (result.findings[0].runs, result.findings[0].since) == (3, NOON - HOUR)


def test_a_rule_has_its_own_first_failure() -> None:
    """At 11 another rule failed. The key rule failed only from 12 on."""
    other = found("expect_column_values_to_not_be_null(post_id)")

    result = state(ran("fct_shares", NOON - HOUR, other), ran("fct_shares", NOON, other, KEY))

    assert {f.rule: f.since for f in result.findings} == {other["rule"]: NOON - HOUR, KEY["rule"]: NOON}


def test_a_rejected_hour_stays_open_when_later_hours_pass() -> None:
    """The hour 11 was rejected and the hour 12 passed. Hour 11 is still not published."""
    result = state(ran("fct_shares", NOON, KEY), ran("fct_shares", NOON + HOUR))

    assert (result.verdict, result.open_hours) == (FAILED, [NOON - HOUR])


def test_a_rejected_hour_closes_when_it_is_published() -> None:
    result = state(ran("fct_shares", NOON, KEY), ran("fct_shares", NOON + HOUR, hours=[NOON - HOUR]))

    assert (result.verdict, result.rejections, result.gates_failed) == (PASSED, [], 1)


def test_a_rejection_of_yesterday_without_a_repair_is_failed_today() -> None:
    result = state(ran("fct_shares", NOON - DAY, KEY))

    assert (result.verdict, result.entries) == (FAILED, [])


def test_a_rejected_quarantine_write_is_not_hidden_by_another_event_of_the_same_run() -> None:
    """The ledger rows of quarantine have no hours, so only a later run closes the rejection."""
    bad = ran("quarantine", NOON, KEY, hours=[])
    good = ran("quarantine", NOON, hours=[], started_at=NOON + HOUR / 60)

    assert state(bad, good, table="quarantine").verdict == FAILED
    assert state(bad, good, ran("quarantine", NOON + HOUR, hours=[]), table="quarantine").verdict == PASSED


@pytest.mark.parametrize(("severity", "verdict"), [("warning", WARNED), ("info", PASSED)])
def test_a_failure_that_does_not_block_is_listed_and_only_a_warning_changes_the_verdict(
    severity: str, verdict: str
) -> None:
    result = state(ran("fct_shares", NOON, {**KEY, "severity": severity}))

    assert (result.verdict, [(f.severity, f.count, f.of) for f in result.findings]) == (verdict, [(severity, 3, 100)])


def test_a_table_waits_when_any_upstream_table_failed() -> None:
    """bronze_impressions fails: the fact, the rollups and the marts wait; shares do not."""
    seen = states([ran("bronze_impressions", NOON, KEY)], TODAY, TODAY + DAY)

    assert {n for n, s in seen.items() if s.verdict == WAITING} == {
        "fct_impressions",
        "agg_post_engagement_hourly",
        "agg_ranker_hourly",
        "agg_ranker_position_hourly",
        "agg_ranker_position_daily",
        "mart_post_engagement_daily",
        "mart_user_affinity_daily",
        "mart_ranker_viewer_daily",
        "agg_ingest_hourly",
    }
    assert seen["fct_shares"].verdict == IDLE


def test_a_day_counts_the_runs_that_started_on_it() -> None:
    """From midnight to midnight, UTC."""
    story = [ran("fct_shares", TODAY + n * HOUR, rows_written=10**i) for i, n in enumerate((-1, 0, 23, 24))]

    assert state(*story).total("rows_written") == 10 + 100


def test_a_rule_over_the_whole_batch_counts_against_all_rows_of_the_batch() -> None:
    """The ledger has no `of` for such a rule, but it has the number of rejected rows."""
    result = state(ran("fct_shares", NOON, {**KEY, "of": None}, metrics={"rows_refused": 4120.0}))

    assert (result.findings[0].count, result.findings[0].of) == (3, 4120)


def test_unreadable_files_are_one_finding_that_counts_the_files() -> None:
    lost = found("files_are_readable", 1, 1)

    (finding,) = state(ran("bronze_shares", NOON, lost, lost), table="bronze_shares").findings

    assert (finding.count, finding.of, finding.unit) == (2, None, "files")


def test_only_the_class_of_an_error_is_reported() -> None:
    """The text of an error may hold a value of a row."""
    broken = found("suite", None, None, error="[CAST_INVALID_INPUT] The value 'anna@example.org' cannot be cast")

    (finding,) = state(ran("fct_shares", NOON, broken)).findings

    assert finding.blocks
    assert finding.error_class == "CAST_INVALID_INPUT"
    assert "anna" not in repr(finding)


def test_every_owner_gets_a_report_with_exactly_their_tables() -> None:
    made = quality_reports.of_day([], date(2026, 6, 1))

    named: dict[str, list[Table]] = {r.owner: [s.table for s in r.states] for r in made}
    assert list(named) == owners()
    assert all(t.owner == owner for owner, tables in named.items() for t in tables)
    assert sum(map(len, named.values())) == len(states([], TODAY, TODAY))


def test_a_subject_that_never_landed_is_in_no_report() -> None:
    """A lake with the feed only reports no ads table, not even to an owner of tables of both subjects."""
    made = {r.owner: r for r in quality_reports.of_day([ran("fct_shares", NOON)], date(2026, 6, 1))}

    assert list(made) == ["content", "ingest", "personalisation", "ranking"]
    assert all("feed" in catalog.subjects_of(s.table) for report in made.values() for s in report.states)
    assert quality_reports.of_day([ran("fct_shares", NOON)], date(2026, 6, 1), "billing") == []


def test_the_report_of_a_run_goes_to_owners_of_failed_tables_as_of_that_run() -> None:
    """fct_shares (content) failed at noon, and again later; fct_impressions (ranking) passed."""
    story = [ran("fct_shares", NOON, KEY), ran("fct_impressions", NOON), ran("fct_shares", NOON + HOUR, KEY)]

    (made,) = quality_reports.of_run(story, "run-20260601T1200")

    assert (made.owner, [s.table.name for s in made.states], len(made.states[0].streak)) == (
        "content",
        ["fct_shares"],
        1,
    )


def test_an_unknown_run_and_an_unknown_owner_raise_errors() -> None:
    with pytest.raises(ConfigError, match="no run 'never'"):
        quality_reports.of_run([], "never")
    with pytest.raises(ConfigError, match=r"no owner 'nobody'.*ranking"):
        quality_reports.of_day([], date(2026, 6, 1), "nobody")
