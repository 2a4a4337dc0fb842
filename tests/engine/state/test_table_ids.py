"""A table that was removed and made anew has another id and begins at version 0: nothing of it is lost or half read."""

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
from etl.engine.jobs import ddl, runner
from etl.engine.jobs.run_context import in_hours
from etl.engine.spark import files
from etl.engine.spark.jvm import jvm
from etl.engine.state import planner
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.engine.state.ledger_table import ADDED, SCHEMA

NINE, TEN = START.replace(hour=9), START.replace(hour=10)


def remove(spark: SparkSession, settings: Settings, table: str) -> None:
    """Take a table out of the lake, as the runbook tells."""
    where = uri(settings, table)
    shutil.rmtree(files.local_folder(where))
    jvm(spark, "org.apache.spark.sql.delta.DeltaLog").clearCache()


def run(spark: SparkSession, settings: Settings, first: int = 10, tables: list[str] = TABLES) -> runner.Summary:
    """From an hour of the day to eleven."""
    return runner.run(spark, settings, START.replace(hour=first), END, tables=tables)


def numbers(spark: SparkSession, settings: Settings, table: str = "fct_shares") -> list[int]:
    """The shares a table has."""
    return sorted(r[0] for r in delta.read(spark, uri(settings, table)).select("share_id").collect())


@pytest.fixture
def two(two_shares: Simulated, tmp_path: Path) -> Settings:
    """Shares 1 (landed at nine) and 2 (landed at ten), in several commits."""
    return copy(two_shares, tmp_path)


def test_a_fact_made_anew_has_every_row_whatever_the_range(spark: SparkSession, two: Settings) -> None:
    """Also what lands later in an hour that was read before: its version 1 is not compared with old ones."""
    remove(spark, two, "fct_shares")
    assert not run(spark, two).errors
    assert numbers(spark, two) == [1, 2]
    land(two, 3, 9)
    assert not run(spark, two, 9).errors
    assert numbers(spark, two) == landed(two)
    assert run(spark, two, 9).entries == []


def test_bronze_made_anew_is_read_again_and_no_late_file_is_lost(spark: SparkSession, two: Settings) -> None:
    """Hours whose files are gone stay as they are; facts keep what they were made from."""
    remove(spark, two, "bronze_shares")
    shutil.rmtree(Path(two.landing) / "shares" / "hour=2026-06-01T09")
    assert not run(spark, two).errors
    assert numbers(spark, two, "bronze_shares") == [2]
    assert numbers(spark, two) == [1, 2]
    land(two, 3)
    assert not run(spark, two).errors
    assert numbers(spark, two) == [1, 2, 3]
    assert run(spark, two, 9).entries == []


def test_bronze_made_anew_from_a_copy_is_not_emptied_where_files_are_gone(spark: SparkSession, two: Settings) -> None:
    where = uri(two, "bronze_shares")
    rows = delta.read(spark, where).collect()
    schema = delta.read(spark, where).schema
    remove(spark, two, "bronze_shares")
    shutil.rmtree(Path(two.landing) / "shares" / "hour=2026-06-01T09")
    spark.conf.set(delta.METADATA, "")
    ddl.ensure(spark, catalog.entry("bronze_shares").table, where)
    spark.createDataFrame(rows, schema).write.format("delta").mode("append").save(where)
    for _ in range(2):
        assert not run(spark, two, 9).errors
        assert numbers(spark, two, "bronze_shares") == numbers(spark, two) == [1, 2]


def test_what_reads_a_table_made_anew_waits_until_it_is_whole(spark: SparkSession, two: Settings) -> None:
    """Run alone it is refused in one line, and not made of the half that is there."""
    remove(spark, two, "bronze_shares")
    land(two, 3)
    refused = run(spark, two, tables=["fct_shares"]).errors["fct_shares"]
    assert "fct_shares waits for bronze_shares, which was made anew and lacks 3 hours" in str(refused)
    assert not run(spark, two).errors
    assert numbers(spark, two) == [1, 2, 3]


@pytest.mark.slow
def test_a_rollup_waits_for_the_hours_of_a_fact(spark: SparkSession, simulated: Simulated, tmp_path: Path) -> None:
    """Run alone it is refused in one line; then one hour of the fact's run makes all of its hours."""
    settings, reader = copy(simulated, tmp_path), "agg_post_engagement_hourly"
    remove(spark, settings, "fct_engagements")
    refused = run(spark, settings, tables=[reader]).errors[reader]
    assert "waits for fct_engagements, which was made anew and lacks 3 hours" in str(refused)
    assert not run(spark, settings, tables=["fct_engagements", reader]).errors
    wanted = content(spark, simulated.settings)
    found = content(spark, settings)
    assert {t: found[t] for t in ("fct_engagements", reader)} == {t: wanted[t] for t in ("fct_engagements", reader)}
    shutil.rmtree(settings.lake)


def test_logic_and_retention_outlive_a_table(spark: SparkSession, tmp_path: Path) -> None:
    ledger = Ledger(spark, tmp_path.as_uri())
    ledger.append(Entry("a", "fct_shares", ledger.now(), table_id="x", kept_from=TEN, logic_version=2))
    ledger.append(Entry("b", "fct_shares", ledger.now(), table_id="y"))
    assert (ledger.logic("fct_shares"), ledger.kept_from("fct_shares")) == (2, TEN)
    assert [e.run_id for e in ledger.published("fct_shares")] == ["b"]


def test_a_ledger_of_the_last_release_is_read_and_gets_its_columns(spark: SparkSession, fed: Settings) -> None:
    """Rows without an id are of the table that is there; a table made anew afterwards is noticed."""
    where = f"{files.absolute(fed.lake)}/_ledger"
    rows = delta.read(spark, where).drop(*ADDED).collect()
    old = SCHEMA.split("table_id")[0].strip().rstrip(",")
    shutil.rmtree(files.local_folder(where))
    jvm(spark, "org.apache.spark.sql.delta.DeltaLog").clearCache()
    spark.createDataFrame(rows, old).write.format("delta").save(where)
    assert len(Ledger.existing(spark, files.absolute(fed.lake)).entries) == len(rows)
    assert run(spark, fed).entries == []
    land(fed, 2)
    assert not run(spark, fed).errors
    assert numbers(spark, fed) == [1, 2]
    kept = delta.read(spark, where)
    assert set(ADDED) <= set(kept.columns) and kept.where("table_id IS NULL").count() == len(rows)
    remove(spark, fed, "fct_shares")
    assert not run(spark, fed).errors
    assert numbers(spark, fed) == [1, 2]


def test_versions_of_another_table_are_never_compared(spark: SparkSession, tmp_path: Path) -> None:
    """The input read at version 9 was another table: version 1 of this one is news."""
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


def test_a_table_that_lost_commits_is_refused_in_one_line(spark: SparkSession, fed: Settings) -> None:
    log = files.local_folder(uri(fed, "fct_shares")) / "_delta_log"
    for file in log.glob("*00001.*"):
        file.unlink()
    jvm(spark, "org.apache.spark.sql.delta.DeltaLog").clearCache()
    land(fed, 2)
    refused = str(run(spark, fed).errors["fct_shares"])
    assert "fct_shares is at version 0, but version 1 of it was published" in refused and "check --repair" in refused


@pytest.mark.parametrize("table", ["fct_shares"])
def test_every_row_of_the_ledger_says_the_id_of_its_table(spark: SparkSession, fed: Settings, table: str) -> None:
    ledger = Ledger.existing(spark, files.absolute(fed.lake))
    found = {e.table_id for e in ledger.published(table)}
    assert found == {delta.table_id(spark, uri(fed, table))}
    (entry,) = [e for e in ledger.published(table) if e.processed_hours]
    assert entry.input_ids == {"bronze_shares": delta.table_id(spark, uri(fed, "bronze_shares"))}
    assert not delta.read(spark, uri(fed, table)).where(in_hours(catalog.entry(table).table, [START])).isEmpty()
