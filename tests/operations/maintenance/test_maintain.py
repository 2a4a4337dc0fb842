"""Maintenance removes hours past their deadline from disk and changes nothing else: no rollup, no mart, no due hour."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.aged import EXPIRED, LATER, RAW, hours_on_disk, kept_for_good, on_disk, without_readers
from support.lakes import uri, versions
from support.local_lake import END, START, Simulated
from test_order import content, recorded

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import in_hours
from etl.engine.jobs import runner
from etl.errors import ConfigError
from etl.operations.backfill import driver as backfills
from etl.operations.backfill import request
from etl.operations.maintenance import driver

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def aged(spark: SparkSession, shared: Settings) -> Settings:
    """A lake that was maintained once, a month later, after a dry run that must not write anything."""
    settings = without_readers(shared)
    before = on_disk(settings.lake) | on_disk(settings.landing)
    planned = driver.maintain(spark, settings, LATER, dry_run=True, yes=True)
    assert before == on_disk(settings.lake) | on_disk(settings.landing)
    done = driver.maintain(spark, settings, LATER, dry_run=False, yes=True)
    assert {(a.step, a.place) for a in planned} <= {(a.step, a.place) for a in done}
    return settings


def test_hours_past_their_deadline_are_off_the_disk_and_their_aggregates_stay(
    spark: SparkSession, aged: Settings, simulated: Simulated
) -> None:
    assert hours_on_disk(aged) == {"2026-06-01 10"}
    assert kept_for_good(spark, aged) == kept_for_good(spark, simulated.settings)


def test_the_ledger_has_the_checksums_of_the_hours_that_are_left(spark: SparkSession, aged: Settings) -> None:
    """Removed hours have no rows in the ledger."""
    ledger = {name: {h: c for h, c in hours.items() if c != "0-0"} for name, hours in recorded(spark, aged).items()}
    live = {name: {h: c.checksum for h, c in hours.items()} for name, hours in content(spark, aged).items()}
    assert ledger == {name: hours for name, hours in live.items() if not name.startswith("dim_")}


def test_a_second_maintenance_has_nothing_to_do(spark: SparkSession, aged: Settings) -> None:
    before = versions(spark, aged)
    assert driver.maintain(spark, aged, LATER, dry_run=False, yes=True) == []
    assert versions(spark, aged) == before


def test_a_dimension_built_from_its_compacted_change_log_is_the_same(
    spark: SparkSession, aged: Settings, simulated: Simulated
) -> None:
    table = catalog.entry("dim_creators").table
    complete, compacted = (delta.read(spark, uri(s, "bronze_creators")) for s in (simulated.settings, aged))
    made = catalog.entry(table.name).transform(compacted).select(*table.column_names)
    assert compacted.count() < complete.count()
    assert sorted(map(str, made.collect())) == sorted(map(str, delta.read(spark, uri(aged, table.name)).collect()))


def test_removed_hours_are_not_due_and_do_not_come_back_from_landed_files(
    spark: SparkSession, aged: Settings, simulated: Simulated
) -> None:
    """The landing zone is filled again. A kept hour lands again, with records of removed hours."""
    before = content(spark, aged)
    assert runner.run(spark, aged, START, END).entries == []
    shutil.copytree(simulated.landing, aged.landing, dirs_exist_ok=True)
    for file in (Path(aged.landing) / "engagements" / "hour=2026-06-01T10").iterdir():
        shutil.copy(file, file.with_name(f"again-{file.name}"))
    assert not runner.run(spark, aged, START, END).errors
    for table in RAW:
        assert delta.read(spark, uri(aged, table.name)).where(in_hours(table, EXPIRED)).isEmpty(), table.name
    after = content(spark, aged)
    assert after.pop("agg_ingest_hourly") and before.pop("agg_ingest_hourly")  # it counts duplicates, too
    assert after == before


def test_a_backfill_of_hours_past_retention_is_refused(spark: SparkSession, aged: Settings) -> None:
    """Their inputs are incomplete, so the rebuilt hours would be wrong."""
    made = request.make((START, END), ["agg_post_engagement_hourly"], "all", None)
    with pytest.raises(ConfigError, match="cannot be rebuilt before 2026-06-01T10"):
        backfills.declare(spark, aged, made, "tests", "closed")
