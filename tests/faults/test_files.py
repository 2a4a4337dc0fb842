"""Damaged files: landed files that vanish or change while they are read, and a lake with missing files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.conftest import TABLES, State, state
from pyspark.sql import SparkSession
from support.lakes import drop, uri
from support.local_lake import END, START

from etl.conf import Settings
from etl.engine.jobs import reading, runner
from etl.engine.jobs.summary import Summary
from etl.engine.landing import reader as landing
from etl.errors import FeedEtlError, GateFailed, LakeError, LandingError
from etl.operations.backfill import driver as backfills
from etl.operations.backfill import request


def run(spark: SparkSession, settings: Settings) -> Summary:
    """Run the tables of shares, from landing to facts."""
    return runner.run(spark, settings, START, END, tables=TABLES)


def fault(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, harm: Callable[[], None]) -> None:
    """Call `harm` right before a function of the engine runs."""
    original = getattr(owner, name)

    def harmed(*args: Any, **named: Any) -> Any:
        harm()
        return original(*args, **named)

    monkeypatch.setattr(owner, name, harmed)


def ended(summary: Summary) -> type[FeedEtlError]:
    """The error of the landing job; the fact must be skipped."""
    assert summary.skipped == {"fct_shares": "bronze_shares"}
    return type(summary.errors["bronze_shares"])


def test_a_landed_file_that_vanishes_after_it_was_listed_fails_the_audit(
    spark: SparkSession, late: Settings, unharmed: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is published. After the file is back, a run gives the usual result."""
    file = Path(late.landing) / "shares" / "hour=2026-06-01T10" / "late.jsonl"
    text = file.read_text()
    with monkeypatch.context() as patched:
        fault(patched, landing, "read", lambda: file.unlink(missing_ok=True))
        assert ended(run(spark, late)) is GateFailed
    file.write_text(text)
    assert not run(spark, late).errors
    assert state(spark, late) == unharmed


@pytest.mark.slow
def test_a_landed_file_that_grows_while_it_is_read_is_detected(
    spark: SparkSession, late: Settings, unharmed: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts of read, accepted and quarantined records do not match. The next run reads the file again."""
    file = Path(late.landing) / "shares" / "hour=2026-06-01T10" / "late.jsonl"
    text = file.read_text()
    count = reading._count

    def counted(*args: Any) -> Any:
        found = count(*args)
        file.write_text(text * 3)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(reading, "_count", counted)
        assert ended(run(spark, late)) is LandingError
    file.write_text(text)
    assert not run(spark, late).errors
    assert state(spark, late) == unharmed


def test_an_incomplete_commit_in_a_log_is_one_line_and_stops_downstream_tables(
    spark: SparkSession, late: Settings, unharmed: State
) -> None:
    """A store without atomic writes may leave one. After it is removed, the table has its old state."""
    log = Path(late.lake) / "bronze" / "bronze_shares" / "_delta_log"
    tail = log / f"{max(int(f.stem) for f in log.glob('*.json')) + 1:020}.json"
    tail.write_text('{"commitInfo":{"timestamp":17')
    summary = run(spark, late)
    assert ended(summary) is LakeError
    assert "docs/runbook.md" in str(summary.errors["bronze_shares"])
    tail.unlink()
    assert not run(spark, late).errors
    assert state(spark, late) == unharmed


@pytest.mark.slow
def test_a_lost_data_file_is_one_line_and_a_backfill_repairs_it(
    spark: SparkSession, late: Settings, unharmed: State
) -> None:
    """As in the runbook: delete the hour from the table, then rebuild the missing hour from bronze."""
    facts = Path(uri(late, "fct_shares").removeprefix("file:").replace("///", "/"))
    next(facts.glob("share_hour=2026-06-01 08*/*.parquet")).unlink()
    summary = run(spark, late)
    assert isinstance(summary.errors["fct_shares"], LakeError)
    drop(spark, late, "fct_shares", [START])
    repair = backfills.declare(
        spark, late, request.make((START, END), ["fct_shares"], "missing", None), "tests", "lost"
    )
    assert repair
    backfills.execute(spark, late, repair.id, accept=True)
    assert not run(spark, late).errors
    assert state(spark, late) == unharmed
