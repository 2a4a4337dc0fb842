"""A plan lists what a backfill rebuilds and writes nothing. An impossible request is refused before any write."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from soak import shares
from support.command_line import feed_etl, refused
from support.lakes import drop, versions
from support.local_lake import END, START, Simulated

from etl import catalog
from etl.conf import Settings
from etl.engine.jobs import runner
from etl.errors import ConfigError
from etl.operations.backfill import driver, plan, request
from etl.subjects.feed.simulate import simulate

HOUR = timedelta(hours=1)
INTERVAL = (START, END)


def planned(spark: SparkSession, settings: Settings, *tables: str, only: request.Only = "all") -> plan.Plan:
    """Plan a backfill of the three simulated hours."""
    return plan.make(driver.open_lake(spark, settings)[0], request.make(INTERVAL, list(tables), only))


def test_hours_dropped_from_one_table_are_the_only_missing_ones(spark: SparkSession, copied: Settings) -> None:
    """The plan lists the three lost hours of a fact as steps, and all tables that read them as downstream."""
    drop(spark, copied, "fct_impressions", [START, START + HOUR, START + 2 * HOUR])
    made = planned(spark, copied, only="missing")
    assert made.hours == {"fct_impressions": [START, START + HOUR, START + 2 * HOUR]}
    downstream = {s.table: [h for h in s.hours if START <= h < END] for s in made.downstream}
    assert set(downstream) == {
        "agg_post_engagement_hourly", "agg_ranker_hourly", "mart_user_affinity_daily", "mart_post_engagement_daily",
        "mart_ranker_viewer_daily", "agg_ranker_position_hourly", "agg_ranker_position_daily",
    }  # fmt: skip
    assert downstream["agg_post_engagement_hourly"] == [START, START + HOUR, START + 2 * HOUR]


def test_tables_that_were_never_made_are_missing_at_any_distance_from_bronze(
    spark: SparkSession, settings: Settings
) -> None:
    """Only bronze exists. The plan has facts, the rollups that read them, and the marts that read the rollups.

    `kept` names only tables of this lake: none of ads, which never landed.
    """
    simulate(Path(settings.landing), START, END, 50, 7)
    bronze = ["bronze_impressions", "bronze_engagements", "bronze_shares"]
    assert not runner.run(spark, settings, START, END, bronze).errors
    made = plan.make(driver.open_lake(spark, settings)[0], request.make(INTERVAL, None, "missing"))
    hours, day = [START, START + HOUR, START + 2 * HOUR], [START.replace(hour=0)]
    assert made.hours["fct_impressions"] == made.hours["agg_post_engagement_hourly"] == hours
    assert made.hours["mart_post_engagement_daily"] == made.hours["mart_ranker_viewer_daily"] == day
    assert set(made.kept) == {"fct_dwell_per_impression", "dim_posts"}


def test_an_hour_with_only_late_arriving_records_is_missing(spark: SparkSession, settings: Settings) -> None:
    """A share of 08:00 landed in the hour of 10:00, and no share landed in the hour of 08:00."""
    shares.land(settings, 1)
    assert not runner.run(spark, settings, START, END, ["bronze_shares"]).errors
    made = planned(spark, settings, "fct_shares", only="missing")
    assert START in made.hours["fct_shares"]


def test_a_complete_lake_has_no_missing_failed_or_stale_hours(spark: SparkSession, simulated: Simulated) -> None:
    """`all` is every hour of the interval, and for a mart the day of these hours."""
    for only in ("missing", "failed", "stale"):
        assert planned(spark, simulated.settings, only=only).steps == ()
    everything = planned(spark, simulated.settings).hours
    assert everything["fct_shares"] == [START, START + HOUR, START + 2 * HOUR]
    assert everything["mart_post_engagement_daily"] == [START.replace(hour=0)]
    assert "fct_dwell_per_impression" not in everything


def test_a_plan_estimates_rows_and_seconds_from_the_ledger(spark: SparkSession, simulated: Simulated) -> None:
    """Rows are those last published. Seconds are the mean of earlier runs."""
    (step,) = planned(spark, simulated.settings, "fct_shares").steps
    ledger = driver.open_lake(spark, simulated.settings)[0].ledger
    assert step.rows == sum(ledger.state("fct_shares")[h]["row_count"] for h in step.hours)
    assert step.seconds and step.seconds > 0


def test_a_plan_says_why_dwell_is_kept(spark: SparkSession, simulated: Simulated) -> None:
    """Rollups read the existing dwell rows, since the raw heartbeats may be gone."""
    assert "heartbeats" in planned(spark, simulated.settings).kept["fct_dwell_per_impression"]


@pytest.mark.parametrize(
    ("interval", "table", "words"),
    [
        ((START, END + HOUR), "fct_shares", ("newest landed hour 2026-06-01T10", "2026-06-01T11 at most")),
        ((START - timedelta(days=31), END), "fct_shares", ("2026-05-02T12", "bronze_shares keeps 30 days")),
        ((START - timedelta(days=31), END), "agg_ranker_hourly", ("fct_impressions keeps 30 days",)),
        ((START - timedelta(days=31), END), "mart_user_affinity_daily", ("2026-05-03T00",)),
    ],
)
def test_hours_that_have_not_landed_or_are_past_retention_are_refused(
    spark: SparkSession, simulated: Simulated, interval: tuple, table: str, words: tuple[str, ...]
) -> None:
    """The newest landed hour of the lake is the clock, not the clock of this machine. The error names a valid bound."""
    before = versions(spark, simulated.settings), sorted(p.name for p in simulated.lake.iterdir())
    with pytest.raises(ConfigError) as caught:
        driver.declare(spark, simulated.settings, request.make(interval, [table]), "me", "test")
    assert all(word in str(caught.value) for word in words)
    assert before == (versions(spark, simulated.settings), sorted(p.name for p in simulated.lake.iterdir()))


def test_a_backfill_of_more_days_than_configured_needs_yes(spark: SparkSession, simulated: Simulated) -> None:
    """Only days with hours to rebuild count."""
    limited = simulated.settings.model_copy(update={"backfill_days_without_yes": 0})
    with pytest.raises(ConfigError, match="--yes"):
        driver.declare(spark, limited, request.make(INTERVAL, ["fct_shares"]), "me", "test")
    assert not (simulated.lake / "_backfills").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("plan", "--from", "2026-06-01T12", "--to", "2026-06-01T10"), ("--from", "before")),
        (("plan", "--from", "2026-06-01T08", "--to", "2026-06-01T10", "--table", "likes"), ("likes", "fct_shares")),
        (("plan", "--from", "2026-06-01T08", "--to", "2026-06-01T10", "--only", "some"), ("--only", "missing")),
        (
            ("plan", "--from", "2026-06-01T08", "--to", "2026-06-01T10", "--table", "fct_dwell_per_impression"),
            ("heartbeats are deleted", "kept"),
        ),
        (("plan", "--from", "2026-06-01T08", "--to", "2026-06-01T10", "--table", "bronze_posts"), ("landing files",)),
        (("plan", "--from", "2026-06-01T08", "--to", "2026-06-01T10", "--table", "dim_posts"), ("versions",)),
        (
            ("plan", "--from", "2026-06-01T08", "--to", "2026-06-01T10", "--table", "fct_shares",
             "--from-version", "v9"),
            ("fct_shares", "v9", "`logic` of its contract"),
        ),
        (("plan", "--from", "2026-06-01T08", "--to", "2026-06-01T10", "--from-version", "v2"), ("one --table",)),
        (("run", "--from", "2026-06-01T08", "--to", "2026-06-01T10", "--reason", "x"), ("--owner",)),
        (("run", "--resume", "x", "--table", "fct_shares"), ("as declared",)),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_refused_before_spark_starts(
    arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    """The error is one line that names the wrong value and the allowed ones. Exit code 2. Nothing is written."""
    refused(feed_etl("--lake", str(tmp_path / "lake"), "backfill", *arguments, JAVA_HOME=str(tmp_path)), 2, *words)
    assert list(tmp_path.iterdir()) == []


def test_plan_prints_one_json_document_and_writes_nothing(simulated: Simulated) -> None:
    """The document has steps and downstream."""
    before = sorted(p.name for p in simulated.lake.rglob("*.json"))
    done = feed_etl(
        "--lake", str(simulated.lake), "backfill", "plan", "--from", "2026-06-01T08", "--to", "2026-06-01T10",
        "--table", "fct_shares", "--json",
    )  # fmt: skip
    made = json.loads(done.stdout)
    assert [step["table"] for step in made["steps"]] == ["fct_shares"]
    assert made["steps"][0]["hours"] == ["2026-06-01T08:00:00+00:00", "2026-06-01T09:00:00+00:00"]
    assert before == sorted(p.name for p in simulated.lake.rglob("*.json"))
    assert all(catalog.entry(step["table"]) for step in made["downstream"])
