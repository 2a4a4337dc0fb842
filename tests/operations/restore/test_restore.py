"""A restore takes tables and ledger back to one point; runs then make the rest again, with the same result."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from soak.shares import TABLES, land
from support.lakes import uri
from support.local_lake import START
from support.share_lake import run, share_ids

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.landing.arrivals import EMPTY
from etl.engine.spark import files
from etl.errors import ConfigError, ConflictError, LakeError, LandingError
from etl.operations.check import driver as checks
from etl.operations.erasure import driver as erasures
from etl.operations.restore import driver
from etl.operations.restore.plan import Plan, Point
from etl.operations.retention import orphan_files

TEN = START.replace(hour=10)
FACT = "fct_shares"


def contents(spark: SparkSession, settings: Settings) -> dict[str, object]:
    """Table -> hour -> rows and checksum, wherever the landing zone is: the lake of these tests is a copy."""
    return {name: _content(spark, settings, name) for name in TABLES}


def _content(spark: SparkSession, settings: Settings, name: str) -> object:
    table, rows = catalog.entry(name).table, delta.read(spark, uri(settings, name))
    if "source_file" in table.column_names:
        rows = rows.withColumn("source_file", F.substring_index("source_file", "/", -2))
    return checksums.by_hour(rows, table)


def published(settings: Settings, table: str, version: int) -> datetime:
    """When a version of a table was published."""
    lines = (files.local_folder(uri(settings, table)) / f"_delta_log/{version:020}.json").read_text().splitlines()
    info = next(json.loads(line)["commitInfo"] for line in lines if "commitInfo" in line)
    return datetime.fromtimestamp(info["timestamp"] / 1000, UTC)


def after_share_1(spark: SparkSession, settings: Settings) -> Point:
    """The point after the run of share 1 and before that of share 2."""
    newest = delta.current_version(spark, uri(settings, "bronze_shares"))
    return Point(time=published(settings, "bronze_shares", newest) - timedelta(milliseconds=1))


def restore(spark: SparkSession, settings: Settings, point: Point) -> Plan:
    """Plan and do a restore."""
    planned = driver.plan(spark, settings, point)
    driver.restore(spark, settings, planned, lambda _line: None)
    return planned


def test_the_hours_after_the_point_are_due_again_and_come_out_equal(spark: SparkSession, lake: Settings) -> None:
    before = contents(spark, lake)
    restore(spark, lake, after_share_1(spark, lake))
    assert share_ids(spark, lake) == share_ids(spark, lake, "bronze_shares") == [1]
    ledger = runner.open_context(spark, lake).ledger
    assert ledger.fingerprints("bronze_shares")[TEN.isoformat()] == EMPTY, "the landed hour counts as not read"
    assert sum(state["row_count"] for state in ledger.state(FACT).values()) == 1
    assert checks.check(spark, lake, deep=True) == []
    assert [(e.table_name, e.processed_hours) for e in run(spark, lake).entries] == [(n, [TEN]) for n in TABLES]
    assert contents(spark, lake) == before
    assert checks.check(spark, lake, deep=True) == []


def test_a_point_given_by_a_version_is_the_moment_of_its_commit(spark: SparkSession, lake: Settings) -> None:
    newest = delta.current_version(spark, uri(lake, FACT))
    planned = driver.plan(spark, lake, Point(version=(FACT, newest - 1)))
    assert planned.targets[FACT] == newest - 1 and planned.targets["bronze_shares"] < newest + 1
    restore(spark, lake, Point(version=(FACT, newest - 1)))
    assert share_ids(spark, lake) == share_ids(spark, lake, "bronze_shares") == [1]
    assert checks.check(spark, lake) == []


def test_one_table_is_restored_with_the_tables_that_read_it(spark: SparkSession, lake: Settings) -> None:
    point = after_share_1(spark, lake)
    alone = driver.plan(spark, lake, Point(time=point.time, tables=(FACT,)))
    assert list(alone.targets) == [FACT]
    with_reader = driver.plan(spark, lake, Point(time=point.time, tables=("bronze_shares",)))
    assert list(with_reader.targets) == TABLES
    before = contents(spark, lake)
    driver.restore(spark, lake, alone, lambda _line: None)
    assert (share_ids(spark, lake), share_ids(spark, lake, "bronze_shares")) == ([1], [1, 2])
    assert not run(spark, lake).errors
    assert contents(spark, lake) == before


@pytest.mark.slow
def test_a_copy_whose_tables_are_of_different_moments_is_made_consistent(spark: SparkSession, lake: Settings) -> None:
    """The copy has the newest commit of the fact and of the ledger, and not that of bronze, which the fact read."""
    before = contents(spark, lake)
    newest = delta.current_version(spark, uri(lake, "bronze_shares"))
    for name in (f"{newest:020}.json", f"{newest:020}.crc", f".{newest:020}.json.crc", f".{newest:020}.crc.crc"):
        (files.local_folder(uri(lake, "bronze_shares")) / "_delta_log" / name).unlink(missing_ok=True)
    delta.forget_snapshots(spark)
    assert "commits are lost" in str(run(spark, lake).errors["bronze_shares"])
    planned = restore(spark, lake, Point())
    assert planned.targets == {FACT: delta.current_version(spark, uri(lake, FACT)) - 2, **_others(planned)}
    assert share_ids(spark, lake) == [1]
    assert not run(spark, lake).errors
    assert contents(spark, lake) == before
    assert checks.check(spark, lake, deep=True) == []


def _others(planned: Plan) -> dict[str, int]:
    return {name: version for name, version in planned.targets.items() if name != FACT}


def test_a_point_whose_files_are_gone_is_refused_with_the_oldest_one(spark: SparkSession, lake: Settings) -> None:
    land(lake, 3, 10)
    assert not run(spark, lake).errors
    early = after_share_1(spark, lake)
    bronze = uri(lake, "bronze_shares")
    orphan_files.remove(spark, bronze, orphan_files.find(spark, bronze))
    newest = delta.current_version(spark, bronze)
    oldest = f"{published(lake, 'bronze_shares', newest):%Y-%m-%dT%H:%M:%S}"
    with pytest.raises(LakeError, match=rf"bronze_shares cannot be restored .* {oldest}"):
        driver.plan(spark, lake, early)


def test_a_point_before_landed_files_that_are_gone_is_refused(spark: SparkSession, lake: Settings) -> None:
    """No run could read them again."""
    shutil.rmtree(Path(lake.landing) / "shares" / "hour=2026-06-01T10")
    with pytest.raises(LandingError, match=r"2026-06-01T10 .* files are gone"):
        driver.plan(spark, lake, after_share_1(spark, lake))


def test_a_table_or_version_that_does_not_exist_is_refused(spark: SparkSession, lake: Settings) -> None:
    with pytest.raises(ConfigError, match="fct_shares has no version 99"):
        driver.plan(spark, lake, Point(version=(FACT, 99)))
    with pytest.raises(ConfigError, match="mart_post_engagement_daily is not in the lake"):
        driver.plan(spark, lake, Point(tables=("mart_post_engagement_daily",)))


def test_a_killed_restore_locks_runs_out_until_it_is_finished(
    spark: SparkSession, lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, active = contents(spark, lake), runner.open_context(spark, lake)
    with monkeypatch.context() as patched:
        patched.setattr(driver, "_write_ledger", _killed)
        with pytest.raises(KeyboardInterrupt):
            restore(spark, lake, after_share_1(spark, lake))
    for command in (run, checks.check):
        with pytest.raises(LakeError, match="is being restored"):
            command(spark, lake)
    with pytest.raises(LakeError, match="was restored while this command was active"):
        _ = active.ledger.entries
    assert driver.unfinished(spark, lake)
    driver.finish(spark, lake, lambda _line: None)
    assert driver.unfinished(spark, lake) is None and share_ids(spark, lake) == [1]
    assert not run(spark, lake).errors
    assert contents(spark, lake) == before


def _killed(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_transaction_that_began_before_a_restore_conflicts_with_it(spark: SparkSession, lake: Settings) -> None:
    txn = runner.open_context(spark, lake).transaction(catalog.entry(FACT).table)
    restore(spark, lake, after_share_1(spark, lake))
    txn.stage(txn.read("true"))
    with pytest.raises(ConflictError):
        txn.commit("")


@pytest.mark.slow
def test_a_restore_can_be_taken_back_by_a_restore(spark: SparkSession, lake: Settings) -> None:
    before, newest = contents(spark, lake), delta.current_version(spark, uri(lake, FACT))
    restore(spark, lake, after_share_1(spark, lake))
    restore(spark, lake, Point(version=(FACT, newest)))
    assert contents(spark, lake) == before
    assert run(spark, lake).entries == []
    assert checks.check(spark, lake, deep=True) == []


@pytest.mark.slow
def test_a_ledger_lost_after_a_restore_is_rebuilt_as_of_the_restore(spark: SparkSession, lake: Settings) -> None:
    before = contents(spark, lake)
    restore(spark, lake, after_share_1(spark, lake))
    shutil.rmtree(files.local_folder(f"{lake.lake}/_ledger"))
    checks.check(spark, lake, apply_repair=True)
    assert checks.check(spark, lake, deep=True) == []
    assert not run(spark, lake).errors
    assert contents(spark, lake) == before


@pytest.mark.slow
def test_erased_people_stay_erased_when_an_older_copy_is_put_back(
    spark: SparkSession, lake: Settings, tmp_path: Path
) -> None:
    """The copy is older than the erasure. The list of erased people is the newest one, as the procedure says."""
    shutil.copytree(lake.lake, tmp_path / "copy")
    erasures.erase(spark, lake, [1], "ticket")
    after = contents(spark, lake)
    shutil.move(Path(lake.lake) / "_erasure", tmp_path / "copy" / "_erasure")
    shutil.rmtree(lake.lake)
    shutil.move(tmp_path / "copy", lake.lake)
    restore(spark, lake, Point())
    assert contents(spark, lake)[FACT] == after[FACT]
    viewers = delta.read(spark, uri(lake, FACT)).where("viewer_id = 1")
    assert viewers.isEmpty() and not run(spark, lake).errors
