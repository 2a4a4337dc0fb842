"""The outcomes that `feed-etl run --outcomes` prints for a scheduler: when, and in which format."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from etl import catalog, conf
from etl.commands.outcomes import Outcomes
from etl.engine.jobs import parallel
from etl.engine.jobs.progress import Progress
from etl.engine.jobs.run_context import RunContext
from etl.engine.jobs.summary import Summary
from etl.engine.state.entry import Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.errors import ConfigError, ConflictError, FeedEtlError, GateFailed
from etl.model.contract import Table
from etl.model.outcome import Outcome

NOW = datetime(2026, 6, 1, 10, tzinfo=UTC)
SHARES = catalog.entry("fct_shares").table
WARNING = {"rule": "few_shares", "count": 3, "samples": ["a secret"]}


def entry(table: str, seconds: float = 2.0) -> Entry:
    """The ledger row of a table that passed with a warning."""
    return Entry("r", table, NOW, seconds=seconds, rows_written=5, rules=8, failures=json.dumps([WARNING]))


def printed(capsys: pytest.CaptureFixture[str]) -> list[Outcome]:
    """The outcomes printed since the last call."""
    found = [Outcome.from_line("try-1", line) for line in capsys.readouterr().out.splitlines()]
    return [outcome for outcome in found if outcome]


def recorded(error: FeedEtlError) -> FeedEtlError:
    """An error that the ledger holds."""
    error.is_recorded = True
    return error


def test_a_passed_table_is_printed_at_once_without_samples(capsys: pytest.CaptureFixture[str]) -> None:
    Outcomes("try-1", 1).passed(SHARES, [entry("fct_shares")])
    (outcome,) = printed(capsys)
    assert (outcome.table, outcome.state, outcome.rows_written, outcome.rules) == ("fct_shares", "passed", 5, 8)
    assert str(outcome).endswith("8 rules, 5 rows written, 2.0 s; warnings: few_shares: 3 rows")
    assert "secret" not in outcome.as_line("try-1")


def test_a_table_of_several_hours_is_printed_when_all_of_them_passed(capsys: pytest.CaptureFixture[str]) -> None:
    """An hour without a change counts, too; rows and seconds are added."""
    outcomes = Outcomes("try-1", 3)
    outcomes.passed(SHARES, [entry("fct_shares")])
    outcomes.passed(SHARES, [])
    assert printed(capsys) == []
    outcomes.passed(SHARES, [entry("fct_shares", seconds=1.5)])
    (outcome,) = printed(capsys)
    assert (outcome.state, outcome.rows_written, outcome.seconds) == ("passed", 10, 3.5)


def test_a_table_without_a_change_is_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    Outcomes("try-1", 1).passed(SHARES, [])
    assert printed(capsys) == [Outcome("fct_shares", "unchanged")]


def test_failed_and_skipped_tables_are_printed_at_the_end_without_values_of_records(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The text of a failed gate names the place of the batch, and counts rows."""
    kept = "The batch is kept at /lake/_rejected/x"
    error = recorded(GateFailed("fct_shares failed: a secret", f"fct_shares failed its gate. {kept}"))
    skipped = {"agg_ranker_hourly": "fct_shares", "fct_shares": "bronze_shares"}
    Outcomes("try-1", 1).finish(Summary("r", errors={"fct_shares": error}, skipped=skipped))
    assert printed(capsys) == [
        Outcome("fct_shares", "failed", f"GateFailed: fct_shares failed its gate. {kept}", 4),
        Outcome("agg_ranker_hourly", "skipped", "fct_shares"),
    ]


def test_a_failure_that_the_ledger_does_not_hold_fails_the_command() -> None:
    """Otherwise no report would find it."""
    with pytest.raises(ConflictError):
        Outcomes("try-1", 1).finish(Summary("r", errors={"fct_shares": ConflictError("x")}))


def test_without_a_prefix_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = Outcomes(None, 1)
    outcomes.passed(SHARES, [])
    outcomes.finish(Summary("r", errors={"fct_shares": ConflictError("x")}))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("line", ["", "try-1", 'try-2 {"table": "x"}', 'x try-1 {"table": "x"}'])
def test_other_lines_are_no_outcomes(line: str) -> None:
    assert Outcome.from_line("try-0", line) is None


def test_a_run_tells_which_tables_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those that failed, were skipped or have no job."""
    results: dict[str, Any] = {"bronze_shares": None, "dim_posts": entry("dim_posts"), "bronze_posts": None}

    def run_table(_context: object, table: Table) -> Entry | None:
        if table.name not in results:
            raise GateFailed(f"{table.name} failed")
        return cast(Entry | None, results[table.name])

    monkeypatch.setattr(parallel, "run_table", run_table)
    settings = SimpleNamespace(parallel_tables=2)
    context: Any = SimpleNamespace(settings=settings, shard=None, run_id="r", ledger=InMemoryLedger(), each_alone=None)
    context.with_own_session, context.shard_of = lambda: context, lambda _table: None
    passed: dict[str, list[Entry]] = {}
    chosen = [e.table for e in catalog.select([*results, "fct_engagements", "bronze_engagements"])]
    summary, progress = Summary("r"), Progress(passed=lambda table, rows: passed.__setitem__(table.name, rows))
    parallel.run_in_parallel(cast(RunContext, context), chosen, {}, summary, progress)
    assert passed == {name: [entry] if entry else [] for name, entry in results.items()}
    assert (list(summary.errors), list(summary.skipped)) == (["bronze_engagements"], ["fct_engagements"])


def test_the_settings_of_airflow_are_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable overrides the file, as for all settings; the default is one application per hour."""
    assert conf.airflow().airflow == conf.load().airflow
    assert conf.airflow().airflow.application_per == "hour"
    monkeypatch.setenv("FEED_ETL_AIRFLOW", '{"application_per": "table"}')
    assert conf.airflow().airflow.application_per == "table"
    monkeypatch.setenv("FEED_ETL_AIRFLOW", '{"application_per": "day"}')
    with pytest.raises(ConfigError, match="application_per"):
        conf.airflow()
