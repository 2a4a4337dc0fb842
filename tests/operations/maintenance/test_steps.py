"""Each step of maintenance alone: what it removes, and what it keeps because something needs it."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.aged import HOUR, do, hours_on_disk, look, without_readers
from support.lakes import existing_tables, uri
from support.local_lake import END, START

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import in_hours
from etl.engine.jobs import runner
from etl.engine.jobs.run_context import RunContext
from etl.engine.state import planner
from etl.operations.backfill import driver as backfills
from etl.operations.backfill import request
from etl.operations.maintenance import compact, compact_ledger, vacuum
from etl.operations.retention import hours as retention
from etl.operations.retention import landing


@pytest.fixture
def context(spark: SparkSession, copied: Settings) -> RunContext:
    """A RunContext of the copied lake."""
    return runner.open_context(spark, without_readers(copied))


def folder(context: RunContext, table: str) -> Path:
    """The folder of a table."""
    return Path(uri(context.settings, table).removeprefix("file:").replace("///", "/"))


def test_retention_keeps_the_inputs_of_due_hours(context: RunContext) -> None:
    """A rollup has not processed the newest facts of the first hour, so the hour of the fact is held."""
    table = catalog.entry("fct_engagements").table
    entry = context.begin(table)
    entry.affected_hours, entry.output_version = (
        {table.hour: [START]},
        delta.current_version(context.spark, context.uri(table)) + 1,
    )
    context.ledger.append(entry)
    held = [a for a in do(context, retention.plan) if a.place == table.name]
    assert [a.do for a in held] == [None]
    assert not delta.read(context.spark, context.uri(table)).where(in_hours(table, [START])).isEmpty()


def test_retention_keeps_the_inputs_of_a_backfill_in_flight(context: RunContext) -> None:
    made = request.make((START, END), ["agg_post_engagement_hourly"], "all", None)
    backfills.declare(context.spark, context.settings, made, "tests", "in flight")
    do(context, retention.plan)
    do(context, landing.plan)
    assert "2026-06-01 08" in hours_on_disk(context.settings)


def test_compaction_writes_a_closed_hour_into_few_files_with_the_same_rows(context: RunContext) -> None:
    """It makes no hour due. A second compaction has nothing to do."""
    table, spark = catalog.entry("agg_post_engagement_hourly").table, context.spark
    where, first = uri(context.settings, table.name), in_hours(table, [START])
    before = checksums.by_hour(delta.read(spark, where), table)
    spark.conf.set(delta.METADATA, "")
    rows = delta.read(spark, where).where(first).repartition(9)
    rows.write.format("delta").mode("overwrite").option("replaceWhere", first).save(where)
    assert table.name in {a.place for a in do(context, compact.plan)}
    files = delta.live_files(spark, where).where(f"partitionValues['{table.hour}'] LIKE '2026-06-01T08%'").count()
    assert files <= context.settings.shuffle_partitions
    assert checksums.by_hour(delta.read(spark, where), table) == before
    assert not list(compact.plan(look(context)))
    assert not planner.due(context.ledger, catalog.entry("mart_post_engagement_daily").table, None)


@pytest.mark.slow
@pytest.mark.parametrize(("days", "stays"), [(0, True), (3, False)])
def test_an_unpublished_orphan_file_stays_for_a_day_since_a_run_may_publish_it(
    context: RunContext, days: int, stays: bool
) -> None:
    shares = folder(context, "fct_shares")
    stray = next(f for f in shares.rglob("share_hour*/*.parquet")).with_name("part-00000-stray.c000.snappy.parquet")
    shutil.copy(next(shares.rglob("share_hour*/*.parquet")), stray)
    past = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    os.utime(stray, (past, past))
    do(context, vacuum.plan)
    assert stray.exists() == stays


@pytest.mark.slow
def test_files_of_earlier_versions_stay_during_the_readers_window(
    context: RunContext, spark: SparkSession, copied: Settings
) -> None:
    """First the readers' window is a day, then zero. Files of the newest version always stay."""
    where = uri(copied, "mart_post_engagement_daily")
    spark.conf.set(delta.METADATA, "")
    delta.read(spark, where).coalesce(1).write.format("delta").mode("overwrite").save(where)
    rows = delta.read(spark, where).count()
    files = set(folder(context, "mart_post_engagement_daily").glob("day=*/*.parquet"))
    do(runner.open_context(spark, copied), vacuum.plan)
    assert set(folder(context, "mart_post_engagement_daily").glob("day=*/*.parquet")) == files
    do(context, vacuum.plan)
    assert len(list(folder(context, "mart_post_engagement_daily").glob("day=*/*.parquet"))) == 1
    assert delta.read(spark, where).count() == rows


def test_rejected_batches_are_removed_after_their_days(context: RunContext) -> None:
    kept = Path(context.settings.lake) / "_rejected" / "fct_shares"
    for name in ("run-of-today", "run-of-last-month"):
        (kept / name).mkdir(parents=True)
        (kept / name / "part.parquet").touch()
    past = (datetime.now(UTC) - timedelta(days=30)).timestamp()
    os.utime(kept / "run-of-last-month" / "part.parquet", (past, past))  # an object store has no times of folders
    do(context, vacuum.plan)
    assert [f.name for f in kept.iterdir()] == ["run-of-today"]


def test_event_files_are_removed_after_their_days(context: RunContext) -> None:
    """Files of OpenLineage events are kept for `openlineage.keep_days`."""
    events = Path(context.settings.lake) / "_lineage"
    events.mkdir()
    for name in ("run-of-today.jsonl", "run-of-last-month.jsonl"):
        (events / name).write_text("{}\n")
    past = (datetime.now(UTC) - timedelta(days=30)).timestamp()
    os.utime(events / "run-of-last-month.jsonl", (past, past))
    done = [action for action in do(context, vacuum.plan) if action.place == "_lineage"]
    assert [(action.files, action.size) for action in done] == [(1, 3)]
    assert [file.name for file in events.iterdir()] == ["run-of-today.jsonl"]


def test_hidden_files_are_removed_with_their_hour_and_the_target_of_a_link_stays(
    context: RunContext, tmp_path: Path
) -> None:
    hour = Path(context.settings.landing) / "shares" / "hour=2026-06-01T10"
    (hour / "_half.jsonl").write_text("{")
    elsewhere = tmp_path / "elsewhere.jsonl"
    elsewhere.write_text("{}")
    (hour / "link.jsonl").symlink_to(elsewhere)
    do(context, landing.plan, END + 31 * 24 * HOUR)
    assert [f.name for f in hour.iterdir()] == ["link.jsonl"] and elsewhere.exists()


def test_heartbeats_that_no_run_has_merged_stay(context: RunContext) -> None:
    """A run merges the late-arriving file, then maintenance removes it. Without files the hour is not due."""
    beats = Path(context.settings.landing) / "heartbeats" / "hour=2026-06-01T10"
    late = beats / f"late-{min(f.name for f in beats.iterdir())}"
    shutil.copy(min(beats.iterdir()), late)
    held = [a for a in do(context, landing.plan, END + 49 * HOUR) if a.do is None]
    assert late.exists() and [a.place for a in held] == ["heartbeats"]
    chosen = ["fct_dwell_per_impression"]
    assert not runner.run(context.spark, context.settings, START, END, tables=chosen).errors
    context.ledger.refresh()
    do(context, landing.plan, END + 49 * HOUR)
    assert not beats.exists()
    assert runner.run(context.spark, context.settings, START, END, tables=chosen).entries == []


def test_a_compacted_ledger_has_one_row_per_table_and_gives_the_same_answers(context: RunContext) -> None:
    """The answers are what landed, what hours hold, what was consumed and what is due. Newer rows stay."""
    before = answers(context)
    compact_ledger.compact_ledger(context, datetime.now(UTC) - timedelta(days=1))
    assert len(context.ledger.entries) > len(before) and answers(context) == before
    compact_ledger.compact_ledger(context, datetime.now(UTC) + timedelta(days=1))
    assert answers(context) == before
    assert len(context.ledger.entries) == len({e.table_name for e in context.ledger.entries})


def answers(context: RunContext) -> dict[str, object]:
    """The answers of the ledger that runs and backfills need, by table."""
    ledger = context.ledger
    questions = (ledger.fingerprints, ledger.state, ledger.logic, ledger.kept_from)
    return {
        t.name: ([ask(t.name) for ask in questions], set(ledger.consumed(t.name)), planner.due(ledger, t, None))
        for t in existing_tables(context.spark, context.settings)
    }


def test_a_landed_hour_in_the_future_changes_no_deadline(context: RunContext) -> None:
    """Without --now, deadlines count from the newest landed hour, but never from after this machine's clock."""
    entry = context.begin(catalog.entry("bronze_shares").table)
    far = datetime(2999, 1, 1, tzinfo=UTC)
    entry.published_hours = [checksums.Content(1, 1, 1).state(far)]
    context.ledger.append(entry)
    assert look(context, None).now <= datetime.now(UTC)
