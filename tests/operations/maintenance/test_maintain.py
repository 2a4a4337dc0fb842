"""What is past its time goes off the disk, and nothing else changes: not a rollup, not a mart, not what is due."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.aged import GONE, LATER, RAW, hours_on_disk, kept_for_good, on_disk, without_readers
from support.lakes import uri, versions
from support.local_lake import END, START, Simulated
from test_order import content, recorded

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.run_context import in_hours
from etl.errors import ConfigError
from etl.operations.backfill import driver as backfills
from etl.operations.backfill import request
from etl.operations.maintenance import driver

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def aged(spark: SparkSession, shared: Settings) -> Settings:
    """A month later, maintained once, after a dry run that must not have written anything."""
    settings = without_readers(shared)
    before = on_disk(settings.lake) | on_disk(settings.landing)
    planned = driver.maintain(spark, settings, LATER, dry_run=True, yes=True)
    assert before == on_disk(settings.lake) | on_disk(settings.landing)
    done = driver.maintain(spark, settings, LATER, dry_run=False, yes=True)
    assert {(a.step, a.place) for a in planned} <= {(a.step, a.place) for a in done}
    return settings


def test_hours_past_their_deadline_leave_the_disk_and_what_was_made_of_them_stays(
    spark: SparkSession, aged: Settings, simulated: Simulated
) -> None:
    assert hours_on_disk(aged) == {"2026-06-01 10"}
    assert kept_for_good(spark, aged) == kept_for_good(spark, simulated.settings)


def test_the_ledger_says_what_is_left(spark: SparkSession, aged: Settings) -> None:
    """Hours that went hold no rows; all others what they held."""
    ledger = {name: {h: c for h, c in found.items() if c != "0-0"} for name, found in recorded(spark, aged).items()}
    there = {name: {h: c.checksum for h, c in found.items()} for name, found in content(spark, aged).items()}
    assert ledger == {name: found for name, found in there.items() if not name.startswith("dim_")}


def test_maintained_again_there_is_nothing_to_do(spark: SparkSession, aged: Settings) -> None:
    before = versions(spark, aged)
    assert driver.maintain(spark, aged, LATER, dry_run=False, yes=True) == []
    assert versions(spark, aged) == before


def test_a_dimension_made_anew_from_its_condensed_log_is_the_same(
    spark: SparkSession, aged: Settings, simulated: Simulated
) -> None:
    table = catalog.entry("dim_creators").table
    whole, condensed = (delta.read(spark, uri(s, "bronze_creators")) for s in (simulated.settings, aged))
    made = catalog.entry(table.name).transform(condensed).select(*table.column_names)
    assert condensed.count() < whole.count()
    assert sorted(map(str, made.collect())) == sorted(map(str, delta.read(spark, uri(aged, table.name)).collect()))


def test_what_is_gone_is_not_due_and_does_not_come_back_from_landed_files(
    spark: SparkSession, aged: Settings, simulated: Simulated
) -> None:
    """The landing zone is filled again, and an hour that is kept lands anew, with records of hours that are not."""
    before = content(spark, aged)
    assert runner.run(spark, aged, START, END).entries == []
    shutil.copytree(simulated.landing, aged.landing, dirs_exist_ok=True)
    for file in (Path(aged.landing) / "engagements" / "hour=2026-06-01T10").iterdir():
        shutil.copy(file, file.with_name(f"again-{file.name}"))
    assert not runner.run(spark, aged, START, END).errors
    for table in RAW:
        assert delta.read(spark, uri(aged, table.name)).where(in_hours(table, GONE)).isEmpty(), table.name
    after = content(spark, aged)
    assert after.pop("agg_ingest_hourly") and before.pop("agg_ingest_hourly")  # it counts what landed twice
    assert after == before


def test_hours_that_are_closed_are_not_rebuilt(spark: SparkSession, aged: Settings) -> None:
    """Of what is left of their inputs they would be made wrong."""
    made = request.make((START, END), ["agg_post_engagement_hourly"], "all", None)
    with pytest.raises(ConfigError, match="cannot be rebuilt before 2026-06-01T10"):
        backfills.declare(spark, aged, made, "tests", "closed")
