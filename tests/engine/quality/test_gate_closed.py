"""When a gate fails for any reason, nothing is published and the error names the table and the rule."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession
from support.local_lake import END, START, local_settings

from etl import catalog, conf
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.quality import suites
from etl.engine.sql import views
from etl.errors import GateFailed

TABLE = "fct_shares"


@pytest.fixture
def suite_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The suite file of fct_shares in a copy of conf/ and expectations/ for this test alone."""
    home = tmp_path / "home"
    for folder in ("conf", "expectations"):
        shutil.copytree(conf.home() / folder, home / folder)
    monkeypatch.setenv("FEED_ETL_HOME", str(home))
    suites.written.cache_clear()
    yield suites.path(TABLE)
    suites.written.cache_clear()


def with_rule(file: Path, rule: dict[str, object] | None) -> None:
    """Write a suite file with one rule, or with none."""
    rules = [{"severity": "critical", "reason": "A test.", **rule}] if rule else []
    file.write_text(yaml.safe_dump({"table": TABLE, "expectations": rules}))


def fact(settings: Settings) -> str:
    """The URI of the fact."""
    return views.uri(settings, catalog.entry(TABLE).table)


NO_SHARES: dict[str, object] = {
    "type": "unexpected_rows_expectation",
    "kwargs": {"label": "no shares", "unexpected_rows_query": "SELECT share_id FROM {batch}"},
}
CASES: dict[str, tuple[dict[str, object] | None, str]] = {
    "a rule that does not hold": (NO_SHARES, "unexpected_rows_expectation(no shares)"),
    "a rule that raises": (
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "ghost"}},
        "ghost",
    ),
    "an unknown rule": ({"type": "expect_the_moon", "kwargs": {}}, "expect_the_moon"),
    "an empty suite": (None, "at least one expectation"),
}


@pytest.mark.parametrize("case", [*CASES, "a missing suite"])
def test_a_failed_gate_publishes_nothing_and_keeps_the_batch(
    spark: SparkSession, landed: Path, tmp_path: Path, suite_file: Path, case: str
) -> None:
    """The published version stays, the batch is kept in `_rejected`, and the error names the table and the rule."""
    settings = local_settings(tmp_path).model_copy(update={"landing": str(landed)})
    needed = ["bronze_shares", TABLE]
    if case == "a missing suite":
        suite_file.unlink()
        named = "suite"
    else:
        rule, named = CASES[case]
        with_rule(suite_file, rule)
    summary = runner.run(spark, settings, START, END, tables=needed)
    error = summary.errors[TABLE]
    assert isinstance(error, GateFailed) and error.exit_code == 4
    assert TABLE in str(error) and named in str(error)
    assert delta.current_version(spark, fact(settings)) == 0
    assert delta.read(spark, fact(settings)).count() == 0
    kept = f"{settings.lake}/_rejected/{TABLE}/{summary.run_id}"
    assert spark.read.format("delta").load(kept).count() > 0


def test_the_same_run_succeeds_once_the_suite_is_repaired(
    spark: SparkSession, landed: Path, tmp_path: Path, suite_file: Path
) -> None:
    settings = local_settings(tmp_path).model_copy(update={"landing": str(landed)})
    good = suite_file.read_text()
    with_rule(suite_file, NO_SHARES)
    assert TABLE in runner.run(spark, settings, START, END, tables=["bronze_shares", TABLE]).errors
    suite_file.write_text(good)
    suites.written.cache_clear()
    assert not runner.run(spark, settings, START, END, tables=[TABLE]).errors
    assert delta.read(spark, fact(settings)).count() > 0


def test_a_batch_with_a_warning_is_published_and_the_warning_is_recorded(
    spark: SparkSession, landed: Path, tmp_path: Path, suite_file: Path
) -> None:
    settings = local_settings(tmp_path).model_copy(update={"landing": str(landed)})
    with_rule(suite_file, {**NO_SHARES, "severity": "warning"})
    summary = runner.run(spark, settings, START, END, tables=["bronze_shares", TABLE])
    assert not summary.errors
    (entry,) = [e for e in summary.entries if e.table_name == TABLE]
    assert "no shares" in entry.failures and entry.verdict == "passed"
