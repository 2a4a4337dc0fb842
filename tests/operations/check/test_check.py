"""`feed-etl check` finds data that is lost or was changed without a ledger row, and plans to rebuild it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from soak.shares import TABLES, land
from support.lakes import drop, uri
from support.local_lake import END, START
from support.share_lake import run, share_ids

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import log as delta_log
from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.engine.spark.jvm import jvm
from etl.errors import LakeError
from etl.operations.backfill import driver as backfills
from etl.operations.backfill import request
from etl.operations.check import driver
from etl.operations.check.finding import Finding

NINE, TEN = START.replace(hour=9), START.replace(hour=10)


def findings_by_table(
    spark: SparkSession, settings: Settings, deep: bool = False, apply_repair: bool = False
) -> dict[str, Finding]:
    """Table -> its finding, without notes."""
    findings = driver.check(spark, settings, deep, apply_repair)
    return {finding.table: finding for finding, _ in findings if not finding.is_note}


def lose_ledger(spark: SparkSession, settings: Settings) -> None:
    """Remove the ledger, as `rm -r` does."""
    shutil.rmtree(files.local_folder(f"{settings.lake}/_ledger"))
    jvm(spark, "org.apache.spark.sql.delta.DeltaLog").clearCache()


def shorten_logs(spark: SparkSession, settings: Settings) -> None:
    """Leave what Delta's log cleanup leaves after some days: a checkpoint of the newest version, no older commits."""
    for name in (*TABLES, "quarantine"):
        delta_log.forget_versions(spark, uri(settings, name))


def test_a_check_of_an_intact_lake_finds_nothing_and_writes_nothing(spark: SparkSession, lake: Settings) -> None:
    before = sorted(p for p in Path(lake.lake).rglob("*.json"))
    assert driver.check(spark, lake, deep=True) == []
    assert sorted(p for p in Path(lake.lake).rglob("*.json")) == before


def test_a_lost_ledger_stops_a_run_and_a_repair_rebuilds_it(spark: SparkSession, lake: Settings) -> None:
    """Logs are short and landed files are gone. Still no run empties an hour, and runs read what lands later."""
    shorten_logs(spark, lake)
    shutil.rmtree(Path(lake.landing) / "shares" / "hour=2026-06-01T09")
    lose_ledger(spark, lake)
    with pytest.raises(LakeError, match=r"ledger .* is lost.*check --repair"):
        run(spark, lake)
    assert not Path(lake.lake, "_ledger").exists()
    assert findings_by_table(spark, lake)["_ledger"].kind == "lost_ledger"
    findings_by_table(spark, lake, apply_repair=True)
    assert driver.check(spark, lake, deep=True) == []
    assert [e.rows_written for e in run(spark, lake).entries] == [0]  # the rebuilt ledger lacks the empty hour
    land(lake, 3, 10, shared=8)
    assert not run(spark, lake).errors
    assert share_ids(spark, lake) == share_ids(spark, lake, "bronze_shares") == [1, 2, 3]
    assert driver.check(spark, lake, deep=True) == []


@pytest.mark.slow
def test_an_empty_ledger_is_treated_as_lost(spark: SparkSession, lake: Settings) -> None:
    """Earlier releases wrote an empty ledger in place of a lost one. The run stops at the first table."""
    shorten_logs(spark, lake)
    shutil.rmtree(Path(lake.landing) / "shares" / "hour=2026-06-01T09")
    where = f"{files.absolute(lake.lake)}/_ledger"
    spark.sql(f"DELETE FROM delta.`{where}`")
    for _ in range(2):
        assert "check --repair" in str(run(spark, lake).errors["bronze_shares"])
    assert findings_by_table(spark, lake, apply_repair=True)["bronze_shares"].kind == "lost_commits"
    assert [e.rows_written for e in run(spark, lake).entries] == [0]
    assert share_ids(spark, lake, "bronze_shares") == [1, 2]


def test_rows_deleted_or_changed_by_hand_are_found_and_rebuilt(spark: SparkSession, lake: Settings) -> None:
    """A backfill rebuilds exactly the damaged hour of the fact. The next run rebuilds bronze."""
    drop(spark, lake, "fct_shares", [START])
    spark.conf.set(delta.METADATA, "")
    spark.sql(f"UPDATE delta.`{uri(lake, 'bronze_shares')}` SET channel = 'odd' WHERE share_id = 2")
    for deep in (False, True):
        found = findings_by_table(spark, lake, deep)
        assert {name: (finding.kind, finding.hours) for name, finding in found.items()} == {
            "fct_shares": ("changed_by_hand", (START,)),
            "bronze_shares": ("changed_by_hand", (TEN,)),
        }
    findings_by_table(spark, lake, apply_repair=True)
    assert not run(spark, lake).errors
    odd = delta.read(spark, uri(lake, "bronze_shares")).where("channel = 'odd'")
    assert odd.isEmpty() and share_ids(spark, lake) == [2]
    made = request.make((START, END), ["fct_shares"], "stale", None)
    plan = backfills.declare(spark, lake, made, "tests", "check")
    assert plan and plan.hours == {"fct_shares": [START]}
    backfills.execute(spark, lake, plan.id, accept=True)
    assert share_ids(spark, lake) == [1, 2]
    assert driver.check(spark, lake, deep=True) == []


def test_a_lost_data_file_is_found_with_its_hour_and_the_hour_is_rebuilt(spark: SparkSession, lake: Settings) -> None:
    """After the repair the table can be read. The next run rebuilds the hour from its landed files."""
    bronze = files.local_folder(uri(lake, "bronze_shares"))
    next(bronze.glob("landed_hour=2026-06-01 10*/*.parquet")).unlink()
    found = findings_by_table(spark, lake)["bronze_shares"]
    assert (found.kind, found.hours) == ("lost_file", (TEN,)) and "landed_hour=2026-06-01 10" in found.what
    findings_by_table(spark, lake, apply_repair=True)
    assert share_ids(spark, lake, "bronze_shares") == [1]
    assert not run(spark, lake).errors
    assert share_ids(spark, lake, "bronze_shares") == [1, 2]
    assert driver.check(spark, lake, deep=True) == []


def test_a_damaged_log_is_found_with_table_version_and_file(spark: SparkSession, lake: Settings) -> None:
    log = files.local_folder(uri(lake, "fct_shares")) / "_delta_log"
    last = log / f"{3:020}.json"
    last.write_text('{"commitInfo":{"timestamp":17')
    found = findings_by_table(spark, lake)["fct_shares"]
    assert found.kind == "torn_log" and "version 3 is half a commit" in found.what and found.what.endswith(last.name)
    last.unlink()
    last.with_name(f"{1:020}.json").rename(last)
    assert "version 1 is missing" in findings_by_table(spark, lake)["fct_shares"].what


@pytest.mark.parametrize("lost", ["*00002.*", "*00002.json*"], ids=["whole commit", "checksum file is left"])
def test_hours_of_lost_commits_are_rebuilt(spark: SparkSession, lake: Settings, lost: str) -> None:
    """The table is an older backup. Its versions continue after the recorded ones, and its hours are planned."""
    log = files.local_folder(uri(lake, "bronze_shares")) / "_delta_log"
    for file in log.glob(lost):
        file.unlink()
    assert findings_by_table(spark, lake)["bronze_shares"].kind == "lost_commits"
    findings_by_table(spark, lake, apply_repair=True)
    delta.forget_snapshots(spark)
    assert not run(spark, lake).errors
    assert share_ids(spark, lake, "bronze_shares") == share_ids(spark, lake) == [1, 2]
    assert driver.check(spark, lake, deep=True) == []


def test_a_deep_check_finds_a_duplicate_key(spark: SparkSession, lake: Settings) -> None:
    spark.conf.set(delta.METADATA, "")
    shares = uri(lake, "fct_shares")
    spark.sql(f"INSERT INTO delta.`{shares}` SELECT * FROM delta.`{shares}` WHERE share_id = 1")
    found = [finding for finding, _ in driver.check(spark, lake, deep=True)]
    assert [(f.kind, f.hours) for f in found] == [("changed_by_hand", (START,)), ("repeated_key", (START,))]
    assert checksums.by_hour(delta.read(spark, shares), catalog.entry("fct_shares").table)[START].rows == 2
