"""`feed-etl check` finds landed files that were changed or removed after a run had read them."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

from pyspark.sql import SparkSession
from soak.shares import TABLES, land
from support.lakes import uri
from support.local_lake import END, START

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.state.entry import TO_BE_READ
from etl.operations.check import driver
from etl.operations.check.finding import Finding
from etl.operations.erasure import driver as erasure
from etl.operations.maintenance import driver as maintenance

NINE, TEN = START.replace(hour=9), START.replace(hour=10)


def found(spark: SparkSession, settings: Settings, apply_repair: bool = False) -> list[Finding]:
    return [finding for finding, _ in driver.check(spark, settings, apply_repair=apply_repair)]


def file(settings: Settings, number: int, hour: int) -> Path:
    return Path(settings.landing) / "shares" / f"hour=2026-06-01T{hour:02}" / f"{number}.jsonl"


def test_a_landed_file_that_was_changed_is_found_until_a_run_reads_it(spark: SparkSession, lake: Settings) -> None:
    assert found(spark, lake) == []
    changed = file(lake, 2, 10)
    changed.write_text(changed.read_text().replace('"dm"', '"sms"'))
    (finding,) = found(spark, lake)
    assert (finding.kind, finding.table, finding.hours) == ("landed_changed", "bronze_shares", (TEN,))
    assert "landed files of shares were changed or removed" in finding.what
    assert "feed-etl run --from 2026-06-01T10 --to 2026-06-01T11 --table bronze_shares" in finding.next
    assert found(spark, lake, apply_repair=True) == [finding]  # a repair must not remove records by itself
    runner.run(spark, lake, TEN, END, tables=TABLES)
    assert found(spark, lake) == []


def test_a_landed_file_that_was_removed_from_an_hour_with_others_is_found(spark: SparkSession, lake: Settings) -> None:
    """A file that landed since is no difference: the next run reads it."""
    land(lake, 3, 10)
    (note,) = found(spark, lake)
    assert (note.kind, note.hours, note.is_note) == ("landed_since", (TEN,), True)
    file(lake, 2, 10).unlink()
    (finding,) = found(spark, lake)
    assert (finding.kind, finding.hours) == ("landed_changed", (TEN,))


def test_a_landed_hour_without_files_is_found_and_a_repair_records_it(spark: SparkSession, lake: Settings) -> None:
    """The rows of the hour stay. Without a landing zone nothing can be compared, which is a finding, too."""
    shutil.rmtree(file(lake, 1, 9).parent)
    (finding,) = found(spark, lake)
    assert (finding.kind, finding.table, finding.hours) == ("landed_gone", "bronze_shares", (NINE,))
    found(spark, lake, apply_repair=True)
    assert found(spark, lake) == []
    assert delta.read(spark, uri(lake, "bronze_shares")).count() == 2
    shutil.rmtree(lake.landing)
    (finding,) = found(spark, lake)
    assert (finding.kind, finding.table) == ("landed_gone", "landing") and "no landing zone" in finding.what


def test_files_that_retention_removed_are_no_finding(spark: SparkSession, lake: Settings) -> None:
    maintenance.maintain(spark, lake, END + timedelta(days=31), dry_run=False, yes=True)
    assert not list(Path(lake.landing).rglob("*.jsonl"))
    assert found(spark, lake) == []


def test_files_that_an_erasure_rewrote_are_no_finding(spark: SparkSession, lake: Settings) -> None:
    """A file that landed before the erasure and was not read yet is read by the next run, whatever its interval."""
    land(lake, 3, 10)
    assert erasure.erase(spark, lake, [2], "ticket")["landing"]["shares"]["records"] == 1
    assert found(spark, lake) == []
    ledger = runner.open_context(spark, lake).ledger
    assert ledger.fingerprints("bronze_shares")[TEN.isoformat()] == TO_BE_READ
    runner.run(spark, lake, NINE, TEN, tables=TABLES)
    assert delta.read(spark, uri(lake, "bronze_shares")).count() == 3
    assert found(spark, lake) == []
