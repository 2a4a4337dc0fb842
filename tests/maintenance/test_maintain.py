"""What is past its time goes off the disk, and nothing else changes: not a rollup, not a mart, not what is due."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lakes import uri, versions
from places import END, START, Simulated
from pyspark.sql import SparkSession
from test_order import content, recorded

from etl import catalog
from etl.backfill import driver as backfills
from etl.backfill import request
from etl.conf import Settings
from etl.engine import checksums, delta, planner, runner
from etl.engine.work import in_hours
from etl.maintenance import driver
from etl.maintenance.action import Action

HOUR = timedelta(hours=1)
LATER = datetime(2026, 7, 1, 10, tzinfo=UTC)  # hours 8 and 9 of the first of June are past 30 days, hour 10 is not
GONE = [START, START + HOUR]
RAW = [t for t in catalog.tables() if t.retention_days]


def maintain(spark: SparkSession, settings: Settings, **maintenance: int) -> list[Action]:
    """A month later; without a readers' window unless the test wants one."""
    keep = settings.maintenance.model_copy(update={"readers_hours": 0} | maintenance)
    return driver.maintain(spark, settings.model_copy(update={"maintenance": keep}), LATER, dry_run=False)


def on_disk(folder: str) -> dict[str, float]:
    """Every file below a folder with its time."""
    return {str(f): f.stat().st_mtime for f in Path(folder).rglob("*") if f.is_file()}


def hours_on_disk(settings: Settings) -> set[str]:
    """Hours (`2026-06-01 08`) that any data file of a raw table or landed file of a raw event lies in."""
    events = {t.event.name for t in RAW if t.event}
    tables = [f for t in RAW for f in (Path(settings.lake) / t.layer.name.lower() / t.name).rglob("*.parquet")]
    landed = [f for e in events for f in (Path(settings.landing) / e).rglob("*") if f.is_file()]
    return {f.parent.name.split("=")[1].replace("T", " ")[:13] for f in [*tables, *landed] if "=" in f.parent.name}


def made_from_facts(spark: SparkSession, settings: Settings) -> dict[str, object]:
    """Dimensions, rollups and marts: what is kept for good."""
    raw = {t.name for t in RAW}
    return {name: found for name, found in content(spark, settings).items() if name not in raw}


def test_a_dry_run_names_what_would_go_and_writes_nothing(spark: SparkSession, copied: Settings) -> None:
    before = on_disk(copied.lake) | on_disk(copied.landing)
    planned = driver.maintain(spark, copied, LATER, dry_run=True)
    assert {a.place for a in planned if a.step == "retention"} >= {t.name for t in RAW}
    assert before == on_disk(copied.lake) | on_disk(copied.landing)


def test_hours_past_their_deadline_leave_the_disk_and_what_was_made_of_them_stays(
    spark: SparkSession, copied: Settings, simulated: Simulated
) -> None:
    maintain(spark, copied)
    assert hours_on_disk(copied) == {"2026-06-01 10"}
    assert made_from_facts(spark, copied) == made_from_facts(spark, simulated.settings)


def test_the_ledger_says_what_retention_left(spark: SparkSession, copied: Settings) -> None:
    maintain(spark, copied)
    ledger = {name: {h: c for h, c in found.items() if c != "0-0"} for name, found in recorded(spark, copied).items()}
    there = {name: {h: c.checksum for h, c in found.items()} for name, found in content(spark, copied).items()}
    assert ledger == {name: found for name, found in there.items() if not name.startswith("dim_")}


def test_what_is_gone_is_not_due_and_does_not_come_back_from_landed_files(
    spark: SparkSession, copied: Settings, simulated: Simulated
) -> None:
    """The landing zone is filled again as it was: a run of the whole range makes nothing but what is not closed."""
    maintain(spark, copied)
    before = made_from_facts(spark, copied)
    assert runner.run(spark, copied, START, END).entries == []
    shutil.copytree(simulated.landing, copied.landing, dirs_exist_ok=True)
    again = runner.run(spark, copied, START, END)
    assert not again.errors
    assert made_from_facts(spark, copied) == before
    for table in RAW:
        assert delta.read(spark, uri(copied, table.name)).where(in_hours(table, GONE)).isEmpty(), table.name


def test_an_old_record_in_a_new_file_does_not_open_its_hour_again(spark: SparkSession, copied: Settings) -> None:
    """The tenth hour is still kept, and its records of the ninth, landed late, are not: all its files land anew."""
    maintain(spark, copied)
    before = content(spark, copied)
    for file in (Path(copied.landing) / "engagements" / "hour=2026-06-01T10").iterdir():
        shutil.copy(file, file.with_name(f"again-{file.name}"))
    assert not runner.run(spark, copied, START, END).errors
    after = content(spark, copied)
    assert after["fct_engagements"] == before["fct_engagements"]
    assert after["mart_post_engagement_daily"] == before["mart_post_engagement_daily"]


def test_maintained_twice_nothing_is_left_to_do(spark: SparkSession, copied: Settings) -> None:
    maintain(spark, copied)
    version = versions(spark, copied)
    assert [a for a in maintain(spark, copied) if a.step != "leftovers"] == []
    assert versions(spark, copied) == version


def test_hours_that_are_due_keep_what_they_will_be_made_from(spark: SparkSession, copied: Settings) -> None:
    """A rollup has not seen the newest facts of the first hour: no fact goes before it has."""
    work = runner.open_work(spark, copied)
    table = catalog.entry("fct_engagements").table
    entry = work.begin(table)
    entry.touched, entry.output_version = {table.hour: [START]}, delta.current_version(spark, work.uri(table)) + 1
    work.ledger.append(entry)
    work.ledger.flush()
    held = [a for a in maintain(spark, copied) if a.place == "fct_engagements" and a.do is None]
    assert held
    assert not delta.read(spark, work.uri(table)).where(in_hours(table, [START])).isEmpty()


def test_a_backfill_in_flight_keeps_what_it_reads(spark: SparkSession, copied: Settings) -> None:
    span = (START, END)
    made = request.make(span, ["agg_post_engagement_hourly"], "all", None)
    backfills.declare(spark, copied, made, "tests", "in flight")
    maintain(spark, copied)
    assert "2026-06-01 08" in hours_on_disk(copied)


def test_a_dimension_made_anew_from_a_condensed_log_is_the_same(spark: SparkSession, copied: Settings) -> None:
    table = catalog.entry("dim_creators").table
    log = uri(copied, "bronze_creators")
    rows = delta.read(spark, log).count()
    maintain(spark, copied)
    condensed = delta.read(spark, log)
    made = catalog.entry(table.name).transform(condensed).select(*table.column_names)
    assert condensed.count() < rows
    assert sorted(map(str, made.collect())) == sorted(map(str, delta.read(spark, uri(copied, table.name)).collect()))


def test_a_closed_hour_in_many_files_becomes_few_with_the_same_rows(spark: SparkSession, copied: Settings) -> None:
    """Files as late records leave them; the ledger is told, nobody is due, and the second time there is nothing."""
    where, table = uri(copied, "agg_post_engagement_hourly"), catalog.entry("agg_post_engagement_hourly").table
    hour = delta.read(spark, where).where(in_hours(table, [START]))
    spark.conf.set(delta.METADATA, "")
    hour.repartition(9).write.format("delta").mode("overwrite").option("replaceWhere", in_hours(table, [START])).save(
        where
    )
    before = content(spark, copied)
    assert "agg_post_engagement_hourly" in {a.place for a in maintain(spark, copied) if a.step == "compaction"}
    files = delta.live_files(spark, where).where("partitionValues['hour'] LIKE '2026-06-01T08%'").count()
    assert files <= copied.shuffle_partitions
    assert content(spark, copied)["agg_post_engagement_hourly"] == before["agg_post_engagement_hourly"]
    assert not [a for a in maintain(spark, copied) if a.step == "compaction"]
    assert not planner.due(
        runner.open_work(spark, copied).ledger, catalog.entry("mart_post_engagement_daily").table, None
    )


@pytest.mark.parametrize(("days", "stays"), [(0, True), (3, False)])
def test_a_file_of_no_version_stays_for_a_day_since_a_run_may_be_about_to_publish_it(
    spark: SparkSession, copied: Settings, days: int, stays: bool
) -> None:
    folder = Path(copied.lake) / "facts" / "fct_shares"
    stray = folder / "share_hour=2026-06-01 10%3A00%3A00" / "part-00000-stray.c000.snappy.parquet"
    shutil.copy(next(f for f in folder.rglob("*.parquet") if "_delta_log" not in str(f)), stray)
    past = datetime.now(UTC) - timedelta(days=days)
    os.utime(stray, (past.timestamp(), past.timestamp()))
    maintain(spark, copied)
    assert stray.exists() == stays


def test_files_of_earlier_versions_stay_while_readers_have_their_window(spark: SparkSession, copied: Settings) -> None:
    """A table of hours that are kept: a day of readers, then none."""
    where, table = uri(copied, "mart_post_engagement_daily"), catalog.entry("mart_post_engagement_daily").table
    spark.conf.set(delta.METADATA, "")
    delta.read(spark, where).coalesce(1).write.format("delta").mode("overwrite").save(where)
    files = set(Path(where.removeprefix("file:")).rglob("*.parquet"))
    maintain(spark, copied, readers_hours=24)
    assert files <= set(Path(where.removeprefix("file:")).rglob("*.parquet"))
    maintain(spark, copied)
    assert len(list(Path(where.removeprefix("file:")).glob("day=*/*.parquet"))) == 1
    assert checksums.by_hour(delta.read(spark, where), table)


def test_refused_batches_go_after_their_days(spark: SparkSession, copied: Settings) -> None:
    kept = Path(copied.lake) / "_rejected" / "fct_shares"
    for name in ("run-of-today", "run-of-last-month"):
        (kept / name).mkdir(parents=True)
        (kept / name / "part.parquet").touch()
    past = (datetime.now(UTC) - timedelta(days=30)).timestamp()
    os.utime(kept / "run-of-last-month", (past, past))
    maintain(spark, copied)
    assert [f.name for f in kept.iterdir()] == ["run-of-today"]


def test_heartbeats_nobody_has_collapsed_stay_and_late_ones_count(spark: SparkSession, copied: Settings) -> None:
    """A file that lands after the others were taken away is folded in, and the hour is not due without files."""
    beats = Path(copied.landing) / "heartbeats" / "hour=2026-06-01T10"
    held = sorted(beats.iterdir())
    late = held[0].with_name("late-" + held[0].name)
    shutil.copy(held[0], late)
    said = driver.maintain(spark, copied, END + timedelta(days=3), dry_run=False)
    assert late.exists() and [a for a in said if a.place == "heartbeats" and a.do is None]
    before = content(spark, copied)["fct_dwell_per_impression"]
    assert not runner.run(spark, copied, START, END).errors
    driver.maintain(spark, copied, END + timedelta(days=3), dry_run=False)
    assert not beats.exists()
    assert runner.run(spark, copied, START, END).entries == []
    assert content(spark, copied)["fct_dwell_per_impression"] == before
