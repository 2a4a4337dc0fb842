"""`feed-etl check`: what is lost or was changed behind the ledger's back is named, planned and made again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from soak.shares import TABLES, land
from support.lakes import copy, drop, uri
from support.local_lake import END, START, Simulated

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import log as delta_log
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.spark import files
from etl.engine.spark.jvm import jvm
from etl.errors import LakeError
from etl.operations.backfill import driver as backfills
from etl.operations.backfill import request
from etl.operations.check import driver
from etl.operations.check.finding import Finding

NINE, TEN = START.replace(hour=9), START.replace(hour=10)


@pytest.fixture
def lake(two_shares: Simulated, tmp_path: Path) -> Iterator[Settings]:
    """Shares 1 (hour 8, landed at nine) and 2 (hour 9, landed at ten), in two commits of each table."""
    settings = copy(two_shares, tmp_path)
    yield settings
    shutil.rmtree(settings.lake)


def run(spark: SparkSession, settings: Settings) -> runner.Summary:
    """Shares, from landing to facts."""
    return runner.run(spark, settings, START, END, tables=TABLES)


def numbers(spark: SparkSession, settings: Settings, table: str = "fct_shares") -> list[int]:
    """The shares a table has."""
    return sorted(r[0] for r in delta.read(spark, uri(settings, table)).select("share_id").collect())


def kinds(spark: SparkSession, settings: Settings, deep: bool = False, mend: bool = False) -> dict[str, Finding]:
    """Table -> what is wrong with it; notes aside."""
    found = driver.check(spark, settings, deep, mend)
    return {finding.table: finding for finding, _ in found if not finding.is_note}


def lose_ledger(spark: SparkSession, settings: Settings) -> None:
    """As `rm -r` would."""
    shutil.rmtree(files.local_folder(f"{settings.lake}/_ledger"))
    jvm(spark, "org.apache.spark.sql.delta.DeltaLog").clearCache()


def shorten_logs(spark: SparkSession, settings: Settings) -> None:
    """What Delta's own clean-up leaves after some days: a checkpoint of the newest version, no commit before it."""
    for name in (*TABLES, "quarantine"):
        delta_log.forget_versions(spark, uri(settings, name))


def test_a_whole_lake_has_no_finding_and_nothing_is_written(spark: SparkSession, lake: Settings) -> None:
    before = sorted(p for p in Path(lake.lake).rglob("*.json"))
    assert driver.check(spark, lake, deep=True) == []
    assert sorted(p for p in Path(lake.lake).rglob("*.json")) == before


def test_a_lost_ledger_stops_a_run_and_is_made_again(spark: SparkSession, lake: Settings) -> None:
    """Logs are short and landed files gone: no hour is emptied, what lands later is read."""
    shorten_logs(spark, lake)
    shutil.rmtree(Path(lake.landing) / "shares" / "hour=2026-06-01T09")
    lose_ledger(spark, lake)
    with pytest.raises(LakeError, match=r"ledger .* is lost.*check --repair"):
        run(spark, lake)
    assert not Path(lake.lake, "_ledger").exists()
    assert kinds(spark, lake)["_ledger"].kind == "lost_ledger"
    kinds(spark, lake, mend=True)
    assert driver.check(spark, lake, deep=True) == []
    assert [e.rows_written for e in run(spark, lake).entries] == [0]  # an empty hour is not known any more
    land(lake, 3, 10, shared=8)
    assert not run(spark, lake).errors
    assert numbers(spark, lake) == numbers(spark, lake, "bronze_shares") == [1, 2, 3]
    assert driver.check(spark, lake, deep=True) == []


@pytest.mark.slow
def test_a_ledger_that_is_empty_is_as_good_as_lost(spark: SparkSession, lake: Settings) -> None:
    """Such as an earlier release made in place of a lost one: the run stops at the first table, nothing is emptied."""
    shorten_logs(spark, lake)
    shutil.rmtree(Path(lake.landing) / "shares" / "hour=2026-06-01T09")
    where = f"{files.absolute(lake.lake)}/_ledger"
    spark.sql(f"DELETE FROM delta.`{where}`")
    for _ in range(2):
        assert "check --repair" in str(run(spark, lake).errors["bronze_shares"])
    assert kinds(spark, lake, mend=True)["bronze_shares"].kind == "lost_commits"
    assert [e.rows_written for e in run(spark, lake).entries] == [0]
    assert numbers(spark, lake, "bronze_shares") == [1, 2]


def test_rows_deleted_and_changed_by_hand_are_named_and_made_again(spark: SparkSession, lake: Settings) -> None:
    """A fact by a backfill of exactly its hour, bronze by the next run."""
    drop(spark, lake, "fct_shares", [START])
    spark.conf.set(delta.METADATA, "")
    spark.sql(f"UPDATE delta.`{uri(lake, 'bronze_shares')}` SET channel = 'odd' WHERE share_id = 2")
    for deep in (False, True):
        found = kinds(spark, lake, deep)
        assert {name: (one.kind, one.hours) for name, one in found.items()} == {
            "fct_shares": ("changed_by_hand", (START,)),
            "bronze_shares": ("changed_by_hand", (TEN,)),
        }
    kinds(spark, lake, mend=True)
    assert not run(spark, lake).errors
    odd = delta.read(spark, uri(lake, "bronze_shares")).where("channel = 'odd'")
    assert odd.isEmpty() and numbers(spark, lake) == [2]
    made = request.make((START, END), ["fct_shares"], "stale", None)
    plan = backfills.declare(spark, lake, made, "tests", "check")
    assert plan and plan.hours == {"fct_shares": [START]}
    backfills.go_on(spark, lake, plan.id, accept=True)
    assert numbers(spark, lake) == [1, 2]
    assert driver.check(spark, lake, deep=True) == []


def test_a_lost_data_file_is_named_with_its_hour_and_planned(spark: SparkSession, lake: Settings) -> None:
    """After the repair the table can be read; an hour whose landed files are gone keeps what is left."""
    bronze = files.local_folder(uri(lake, "bronze_shares"))
    next(bronze.glob("landed_hour=2026-06-01 10*/*.parquet")).unlink()
    found = kinds(spark, lake)["bronze_shares"]
    assert (found.kind, found.hours) == ("lost_file", (TEN,)) and "landed_hour=2026-06-01 10" in found.what
    kinds(spark, lake, mend=True)
    assert numbers(spark, lake, "bronze_shares") == [1]
    assert not run(spark, lake).errors
    assert numbers(spark, lake, "bronze_shares") == [1, 2]
    assert driver.check(spark, lake, deep=True) == []


def test_a_torn_log_is_named_with_table_version_and_file(spark: SparkSession, lake: Settings) -> None:
    log = files.local_folder(uri(lake, "fct_shares")) / "_delta_log"
    tail = log / f"{3:020}.json"
    tail.write_text('{"commitInfo":{"timestamp":17')
    found = kinds(spark, lake)["fct_shares"]
    assert found.kind == "torn_log" and "version 3 is half a commit" in found.what and found.what.endswith(tail.name)
    tail.unlink()
    tail.with_name(f"{1:020}.json").rename(tail)
    assert "version 1 is missing" in kinds(spark, lake)["fct_shares"].what


def test_commits_that_are_lost_are_made_again(spark: SparkSession, lake: Settings) -> None:
    """A table of an older backup: versions go on after those that are known, and its hours are planned."""
    log = files.local_folder(uri(lake, "bronze_shares")) / "_delta_log"
    for file in log.glob("*00002.*"):
        file.unlink()
    assert kinds(spark, lake)["bronze_shares"].kind == "lost_commits"
    kinds(spark, lake, mend=True)
    assert not run(spark, lake).errors
    assert numbers(spark, lake, "bronze_shares") == numbers(spark, lake) == [1, 2]
    assert driver.check(spark, lake, deep=True) == []


def test_a_repeated_key_is_found_by_a_deep_check(spark: SparkSession, lake: Settings) -> None:
    spark.conf.set(delta.METADATA, "")
    where = uri(lake, "fct_shares")
    spark.sql(f"INSERT INTO delta.`{where}` SELECT * FROM delta.`{where}` WHERE share_id = 1")
    found = [finding for finding, _ in driver.check(spark, lake, deep=True)]
    assert [(f.kind, f.hours) for f in found] == [("changed_by_hand", (START,)), ("repeated_key", (START,))]
    assert checksums.by_hour(delta.read(spark, where), catalog.entry("fct_shares").table)[START].rows == 2
