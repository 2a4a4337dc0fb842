"""A backfill gives the rows that hourly runs give, changes nothing else, and leaves nothing due."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from operations.backfill.with_v2 import entry_with_v2
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.lakes import drop, moved, uri, versions
from support.local_lake import END, START, Simulated
from test_order import content, recorded

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import runner
from etl.engine.quality import suites
from etl.engine.quality.rule import Rule
from etl.errors import ConfigError, ConflictError, GateFailed
from etl.operations.backfill import compare, driver, request
from etl.operations.backfill.compare import HourDiff
from etl.operations.backfill.register import Backfill
from etl.operations.backfill.request import kept_because
from etl.operations.backfill.staging import Staging

HOUR = timedelta(hours=1)
INTERVAL = (START, END)
FEED = [catalog.entry(name).table for name in catalog.of_subjects(["feed"])]
MADE = {t.name for t in FEED if catalog.has_job(t) and not kept_because(t)}


def declared(
    spark: SparkSession, settings: Settings, *tables: str, only: request.Only = "all", version: str | None = None
) -> Backfill:
    """Declare a backfill of the three simulated hours."""
    made = driver.declare(spark, settings, request.make(INTERVAL, list(tables), only, version), "tests", "a test")
    assert made
    return made


def rebuild(spark: SparkSession, settings: Settings, *tables: str, only: request.Only = "all") -> Backfill:
    """Declare a backfill and run it."""
    return driver.execute(spark, settings, declared(spark, settings, *tables, only=only).id)


def nothing_is_due(spark: SparkSession, settings: Settings) -> bool:
    """Whether an hourly run of the range finds nothing to do."""
    return runner.run(spark, settings, *INTERVAL).entries == []


@pytest.mark.slow
def test_a_backfill_restores_lost_hours(spark: SparkSession, copied: Settings, simulated: Simulated) -> None:
    """It rebuilds facts from bronze, a rollup from facts and a mart from hours. No other table has a new version."""
    lost = {
        "fct_engagements": [START, END - HOUR],
        "agg_post_engagement_hourly": [START + HOUR],
        "mart_post_engagement_daily": [START.replace(hour=0)],
    }
    for table, hours in lost.items():
        drop(spark, copied, table, hours)
    before = versions(spark, copied)
    done = rebuild(spark, copied, only="missing")
    assert done.hours == lost and done.state == "done"
    assert moved(spark, copied, before) == set(lost)
    assert content(spark, copied) == content(spark, simulated.settings)
    assert recorded(spark, copied) == recorded(spark, simulated.settings)


@pytest.mark.slow
def test_rebuilding_correct_hours_publishes_nothing(spark: SparkSession, copied: Settings) -> None:
    """Every rebuilt hour is equal, so no table has a new version and nothing is due."""
    before = versions(spark, copied)
    done = rebuild(spark, copied)
    assert set(done.hours) == MADE
    assert not any(d.changed for d in driver.differences(spark, copied, done.id))
    assert moved(spark, copied, before) == set()
    assert nothing_is_due(spark, copied)


@pytest.mark.slow
def test_readers_never_see_a_part_of_an_hour(spark: SparkSession, copied: Settings) -> None:
    """Each version of the table after the loss has all rows of an hour, or none."""
    table = uri(copied, "fct_impressions")
    complete = {r["impression_hour"]: r["count"] for r in _counts(delta.read(spark, table))}
    drop(spark, copied, "fct_impressions", [START, START + HOUR, START + 2 * HOUR])
    first = delta.current_version(spark, table)
    rebuild(spark, copied, "fct_impressions", only="missing")
    assert delta.current_version(spark, table) == first + 3
    for version in range(first, first + 4):
        seen = {r["impression_hour"]: r["count"] for r in _counts(delta.read(spark, table, version))}
        assert seen.items() <= complete.items()


def _counts(rows: DataFrame) -> list:
    return rows.groupBy("impression_hour").count().collect()


@pytest.mark.slow
def test_after_a_fact_changes_only_its_downstream_tables_are_due(spark: SparkSession, copied: Settings) -> None:
    """The hourly run rebuilds the tables that the backfill did not select. Then nothing is due."""
    drop(spark, copied, "fct_shares", [START])
    drop(spark, copied, "fct_impressions", [START])
    rebuild(spark, copied, only="missing")
    entries = runner.run(spark, copied, *INTERVAL).entries
    assert {e.table_name for e in entries} == {
        "agg_post_engagement_hourly", "agg_ranker_hourly", "agg_ranker_position_hourly", "mart_user_affinity_daily",
        "mart_ranker_viewer_daily",
    }  # fmt: skip
    assert all(e.output_version is None for e in entries)
    assert nothing_is_due(spark, copied)


def without_a_tenth(spark: SparkSession, settings: Settings, table: str, column: str) -> None:
    """Delete some rows of each hour without a ledger row."""
    spark.sql(f"DELETE FROM delta.`{uri(settings, table)}` WHERE {column} % 10 = 0")


@pytest.mark.slow
def test_a_large_change_waits_until_it_is_accepted(spark: SparkSession, copied: Settings, simulated: Simulated) -> None:
    """A measure changes by more than 0.1 %. Nothing is switched over, and the difference can be shown."""
    without_a_tenth(spark, copied, "fct_impressions", "viewer_id")
    before = versions(spark, copied)
    waiting = declared(spark, copied, "fct_impressions")
    with pytest.raises(GateFailed, match="--accept-changes"):
        driver.execute(spark, copied, waiting.id)
    assert moved(spark, copied, before) == set()
    found = driver.differences(spark, copied, waiting.id)
    assert all("rows" in d.over(copied.backfill_change_budget) for d in found)
    assert driver.execute(spark, copied, waiting.id, accept=True).state == "done"
    assert content(spark, copied) == content(spark, simulated.settings)


@pytest.mark.slow
def test_a_second_backfill_of_the_same_hours_is_refused_with_the_id_of_the_first(
    spark: SparkSession, copied: Settings
) -> None:
    """Other tables can be rebuilt. After a cancel the hours can be rebuilt, too."""
    first = declared(spark, copied, "fct_shares", "fct_impressions")
    with pytest.raises(ConflictError, match=first.id):
        declared(spark, copied, "fct_shares")
    other = declared(spark, copied, "agg_ranker_hourly")
    driver.cancel(spark, copied, first.id)
    again = declared(spark, copied, "fct_shares")
    states = {b.id: b.state for b, _ in driver.progress_of(spark, copied)}
    assert states == {first.id: "cancelled", other.id: "declared", again.id: "declared"}
    with pytest.raises(ConfigError, match="cancelled already"):
        driver.execute(spark, copied, first.id)


@pytest.mark.slow
def test_a_backfill_switches_the_logic_of_a_table_and_back(
    spark: SparkSession, copied: Settings, simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the switch runs use version 2, too. A backfill with version 1 gives the original rows."""
    monkeypatch.setitem(catalog.entries(), "fct_shares", entry_with_v2())
    before = versions(spark, copied)
    for version, upper in (("v2", True), ("v1", False)):
        driver.execute(spark, copied, declared(spark, copied, "fct_shares", version=version).id)
        channels = delta.read(spark, uri(copied, "fct_shares")).where("channel IS NOT NULL")
        assert channels.where((F.upper("channel") == F.col("channel")) != F.lit(upper)).isEmpty()
        assert runner.open_context(spark, copied).ledger.logic("fct_shares") == int(version[1:])
        assert nothing_is_due(spark, copied)
    assert moved(spark, copied, before) == {"fct_shares"}
    assert content(spark, copied) == content(spark, simulated.settings)


@pytest.mark.slow
def test_the_register_keeps_no_row_of_a_rejected_batch(
    spark: SparkSession, copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal shows examples of rows. The register only keeps their number."""
    none = Rule("expect_column_values_to_be_null", {"column": "viewer_id"}, "critical", "A test.")
    monkeypatch.setattr(suites, "written", lambda _: (none,))
    started = declared(spark, copied, "fct_shares")
    with pytest.raises(GateFailed, match=r"e\.g\."):
        driver.execute(spark, copied, started.id)
    ((stopped, _),) = driver.progress_of(spark, copied, started.id)
    assert stopped.state == "stopped"
    assert "(viewer_id): " in stopped.note and "e.g." not in stopped.note


class Killed(BaseException):
    """Stands for kill -9."""


def kill_at(monkeypatch: pytest.MonkeyPatch, number: int, after: bool) -> None:
    """Raise Killed right before, or right after, the nth commit of any staged or live table."""
    commit, count = Transaction.commit, iter(range(1, 1000))

    def dying(self: Transaction, metadata: str) -> int:
        last = next(count) == number
        if last and not after:
            raise Killed
        version = commit(self, metadata)
        if last:
            raise Killed
        return version

    monkeypatch.setattr(Transaction, "commit", dying)


@pytest.mark.slow
def test_a_backfill_killed_at_any_commit_and_resumed_equals_an_unbroken_one(
    spark: SparkSession, copied: Settings, simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed again and again, one commit later each time. Rows, ledger and due hours are as without kills."""
    drop(spark, copied, "fct_shares", [START, START + HOUR, START + 2 * HOUR])
    drop(spark, copied, "agg_ranker_hourly", [START, START + HOUR])
    started = declared(spark, copied, "fct_shares", "agg_ranker_hourly", only="missing")
    kills = 0
    for after in (False, True) * 10:
        with monkeypatch.context() as patched:
            kill_at(patched, 1, after)
            try:
                assert driver.execute(spark, copied, started.id).state == "done"
                break
            except Killed:
                kills += 1
    assert kills >= 7  # two commits stage, five commits switch hours
    assert content(spark, copied) == content(spark, simulated.settings)
    assert recorded(spark, copied) == recorded(spark, simulated.settings)
    assert nothing_is_due(spark, copied)


@pytest.mark.slow
def test_an_hour_that_a_run_changes_after_it_was_staged_is_built_again(
    spark: SparkSession, copied: Settings, simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The final rows include what other runs publish meanwhile."""
    drop(spark, copied, "fct_impressions", [START])
    changes = iter([lambda: drop(spark, copied, "fct_impressions", [START + HOUR])])
    renew = compare.renew

    def meanwhile(staging_lake: Staging) -> dict[tuple[str, datetime], HourDiff]:
        diffs = renew(staging_lake)
        next(changes, lambda: None)()
        return diffs

    monkeypatch.setattr(compare, "renew", meanwhile)
    rebuild(spark, copied, "fct_impressions")
    assert content(spark, copied)["fct_impressions"] == content(spark, simulated.settings)["fct_impressions"]


@pytest.mark.slow
def test_a_cancel_during_a_backfill_stops_it_before_the_next_hour(
    spark: SparkSession, copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancel comes between comparison and switch-over. No live table has a new version."""
    drop(spark, copied, "fct_shares", [START])
    before = versions(spark, copied)
    started = declared(spark, copied, "fct_shares", only="missing")
    renew = compare.renew

    def meanwhile(staging_lake: Staging) -> dict[tuple[str, datetime], HourDiff]:
        diffs = renew(staging_lake)
        driver.cancel(spark, copied, started.id)
        return diffs

    monkeypatch.setattr(compare, "renew", meanwhile)
    with pytest.raises(ConflictError, match="cancelled meanwhile"):
        driver.execute(spark, copied, started.id)
    assert moved(spark, copied, before) == set()


def test_hours_are_read_from_the_register_as_they_were_written(spark: SparkSession, copied: Settings) -> None:
    """Hours have a time zone."""
    started = declared(spark, copied, "fct_shares")
    (read, counts) = driver.progress_of(spark, copied, started.id)[0]
    assert read.hours == started.hours and isinstance(read.hours["fct_shares"][0], datetime)
    assert counts == {"planned": 3, "staged": 0, "switched": 0}
