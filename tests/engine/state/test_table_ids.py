"""A recreated table has another id and begins at version 0; no row of it is lost, and no reader sees it incomplete."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from soak.shares import TABLES, land, landed
from support.lakes import copy, uri
from support.local_lake import END, START, Simulated
from test_order import content

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import in_hours
from etl.engine.jobs import ddl, runner
from etl.engine.jobs.summary import Summary
from etl.engine.spark import files
from etl.engine.spark.jvm import jvm
from etl.engine.state import planner
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.engine.state.ledger_table import ADDED, SCHEMA

NINE, TEN = START.replace(hour=9), START.replace(hour=10)


def remove(spark: SparkSession, settings: Settings, table: str) -> None:
    """Remove a table's folder from the lake, as the runbook describes."""
    shutil.rmtree(files.local_folder(uri(settings, table)))
    jvm(spark, "org.apache.spark.sql.delta.DeltaLog").clearCache()


def run(spark: SparkSession, settings: Settings, first: int = 10, tables: list[str] = TABLES) -> Summary:
    """Run the landed hours from `first` to 11:00."""
    return runner.run(spark, settings, START.replace(hour=first), END, tables=tables)


def numbers(spark: SparkSession, settings: Settings, table: str = "fct_shares") -> list[int]:
    """The share_id of every row of a table, sorted."""
    return sorted(r[0] for r in delta.read(spark, uri(settings, table)).select("share_id").collect())


@pytest.fixture
def two(two_shares: Simulated, tmp_path: Path) -> Settings:
    """A lake with share 1 (landed at 09:00) and share 2 (landed at 10:00), in several commits."""
    return copy(two_shares, tmp_path)


def test_a_recreated_fact_has_every_row_after_a_run_of_any_interval(spark: SparkSession, two: Settings) -> None:
    """It also gets late-arriving records of an hour read before: versions of the two tables are not compared."""
    remove(spark, two, "fct_shares")
    assert not run(spark, two).errors
    assert numbers(spark, two) == [1, 2]
    land(two, 3, 9)
    assert not run(spark, two, 9).errors
    assert numbers(spark, two) == landed(two)
    assert run(spark, two, 9).entries == []


def test_a_recreated_bronze_table_is_read_again_and_no_late_file_is_lost(spark: SparkSession, two: Settings) -> None:
    """Bronze cannot get back the hours whose files are gone; facts keep the rows made from them."""
    remove(spark, two, "bronze_shares")
    shutil.rmtree(Path(two.landing) / "shares" / "hour=2026-06-01T09")
    assert not run(spark, two).errors
    assert numbers(spark, two, "bronze_shares") == [2]
    assert numbers(spark, two) == [1, 2]
    land(two, 3)
    assert not run(spark, two).errors
    assert numbers(spark, two) == [1, 2, 3]
    assert run(spark, two, 9).entries == []


def test_a_bronze_table_recreated_from_a_copy_keeps_hours_without_files(spark: SparkSession, two: Settings) -> None:
    table_uri = uri(two, "bronze_shares")
    rows = delta.read(spark, table_uri).collect()
    schema = delta.read(spark, table_uri).schema
    remove(spark, two, "bronze_shares")
    shutil.rmtree(Path(two.landing) / "shares" / "hour=2026-06-01T09")
    spark.conf.set(delta.METADATA, "")
    ddl.ensure(spark, catalog.entry("bronze_shares").table, table_uri)
    spark.createDataFrame(rows, schema).write.format("delta").mode("append").save(table_uri)
    for _ in range(2):
        assert not run(spark, two, 9).errors
        assert numbers(spark, two, "bronze_shares") == numbers(spark, two) == [1, 2]


def test_a_table_waits_until_its_recreated_input_is_complete(spark: SparkSession, two: Settings) -> None:
    """When it runs alone, it fails with one line instead of reading an incomplete input."""
    remove(spark, two, "bronze_shares")
    land(two, 3)
    error = run(spark, two, tables=["fct_shares"]).errors["fct_shares"]
    assert "fct_shares waits for bronze_shares, which was recreated and lacks 3 hours" in str(error)
    assert not run(spark, two).errors
    assert numbers(spark, two) == [1, 2, 3]


@pytest.mark.slow
def test_a_rollup_waits_until_a_recreated_fact_is_complete(
    spark: SparkSession, simulated: Simulated, tmp_path: Path
) -> None:
    """When it runs alone, it fails with one line. A run of one hour then makes all hours of the fact."""
    settings, rollup = copy(simulated, tmp_path), "agg_post_engagement_hourly"
    remove(spark, settings, "fct_engagements")
    error = run(spark, settings, tables=[rollup]).errors[rollup]
    assert "waits for fct_engagements, which was recreated and lacks 3 hours" in str(error)
    assert not run(spark, settings, tables=["fct_engagements", rollup]).errors
    wanted = content(spark, simulated.settings)
    found = content(spark, settings)
    assert {t: found[t] for t in ("fct_engagements", rollup)} == {t: wanted[t] for t in ("fct_engagements", rollup)}
    shutil.rmtree(settings.lake)


def test_a_recreated_table_keeps_its_logic_version_and_its_retention(spark: SparkSession, tmp_path: Path) -> None:
    ledger = Ledger(spark, tmp_path.as_uri())
    ledger.append(Entry("a", "fct_shares", ledger.now(), table_id="x", kept_from=TEN, logic_version=2))
    ledger.append(Entry("b", "fct_shares", ledger.now(), table_id="y"))
    assert (ledger.logic("fct_shares"), ledger.kept_from("fct_shares")) == (2, TEN)
    assert [e.run_id for e in ledger.published("fct_shares")] == ["b"]


def test_a_ledger_of_an_earlier_release_is_read_and_upgraded(spark: SparkSession, lake_with_share: Settings) -> None:
    """Rows without a table id belong to the current table; a run notices a table that is recreated afterwards."""
    ledger_uri = f"{files.absolute(lake_with_share.lake)}/_ledger"
    rows = delta.read(spark, ledger_uri).drop(*ADDED).collect()
    old_schema = SCHEMA.split("table_id")[0].strip().rstrip(",")
    shutil.rmtree(files.local_folder(ledger_uri))
    jvm(spark, "org.apache.spark.sql.delta.DeltaLog").clearCache()
    spark.createDataFrame(rows, old_schema).write.format("delta").save(ledger_uri)
    assert len(Ledger.existing(spark, files.absolute(lake_with_share.lake)).entries) == len(rows)
    assert run(spark, lake_with_share).entries == []
    land(lake_with_share, 2)
    assert not run(spark, lake_with_share).errors
    assert numbers(spark, lake_with_share) == [1, 2]
    upgraded = delta.read(spark, ledger_uri)
    assert set(ADDED) <= set(upgraded.columns) and upgraded.where("table_id IS NULL").count() == len(rows)
    remove(spark, lake_with_share, "fct_shares")
    assert not run(spark, lake_with_share).errors
    assert numbers(spark, lake_with_share) == [1, 2]


def test_versions_of_a_recreated_input_are_not_compared_with_earlier_ones(spark: SparkSession, tmp_path: Path) -> None:
    """The fact read version 9 of the earlier input, so version 1 of the recreated input makes its hour due."""
    ledger, facts = Ledger(spark, tmp_path.as_uri()), catalog.entry("fct_shares").table
    affected_hours = {"landed_hour": [TEN]}
    ledger.append(
        Entry("a", "bronze_shares", ledger.now(), output_version=9, affected_hours=affected_hours, table_id="x")
    )
    read = Entry(
        "a", "fct_shares", ledger.now(), processed_hours=[TEN], input_versions={"bronze_shares": 9}, table_id="f"
    )
    read.input_ids = {"bronze_shares": "x"}
    ledger.append(read)
    assert planner.due(ledger, facts, None) == []
    ledger.append(
        Entry("b", "bronze_shares", ledger.now(), output_version=1, affected_hours=affected_hours, table_id="y")
    )
    assert planner.due(ledger, facts, None) == [TEN]


def test_a_table_that_lost_commits_is_rejected_with_one_line(spark: SparkSession, lake_with_share: Settings) -> None:
    log = files.local_folder(uri(lake_with_share, "fct_shares")) / "_delta_log"
    for file in log.glob("*00001.*"):
        file.unlink()
    jvm(spark, "org.apache.spark.sql.delta.DeltaLog").clearCache()
    land(lake_with_share, 2)
    error = str(run(spark, lake_with_share).errors["fct_shares"])
    assert "fct_shares is at version 0, but version 1 of it was published" in error and "check --repair" in error


@pytest.mark.parametrize("table", ["fct_shares"])
def test_every_ledger_row_has_the_id_of_its_table(spark: SparkSession, lake_with_share: Settings, table: str) -> None:
    ledger = Ledger.existing(spark, files.absolute(lake_with_share.lake))
    found = {e.table_id for e in ledger.published(table)}
    assert found == {delta.table_id(spark, uri(lake_with_share, table))}
    (entry,) = [e for e in ledger.published(table) if e.processed_hours]
    assert entry.input_ids == {"bronze_shares": delta.table_id(spark, uri(lake_with_share, "bronze_shares"))}
    assert (
        not delta.read(spark, uri(lake_with_share, table))
        .where(in_hours(catalog.entry(table).table, [START]))
        .isEmpty()
    )
