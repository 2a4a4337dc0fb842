"""A plan says what would be rebuilt and writes nothing; what cannot be meant is refused before anything is written."""

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


def planned(spark: SparkSession, settings: Settings, *tables: str, only: str = "all") -> plan.Plan:
    """The plan of the three simulated hours."""
    return plan.make(driver.open_lake(spark, settings)[0], request.make(INTERVAL, list(tables), only))


def test_hours_dropped_from_one_table_are_exactly_what_is_missing(spark: SparkSession, copied: Settings) -> None:
    """Given three lost hours of a fact, only they are to be rebuilt, and all that reads them is named."""
    drop(spark, copied, "fct_impressions", [START, START + HOUR, START + 2 * HOUR])
    made = planned(spark, copied, only="missing")
    assert made.hours == {"fct_impressions": [START, START + HOUR, START + 2 * HOUR]}
    below = {s.table: [h for h in s.hours if START <= h < END] for s in made.downstream}
    assert set(below) == {
        "agg_post_engagement_hourly", "agg_ranker_hourly", "mart_user_affinity_daily", "mart_post_engagement_daily",
        "mart_ranker_viewer_daily",
    }  # fmt: skip
    assert below["agg_post_engagement_hourly"] == [START, START + HOUR, START + 2 * HOUR]


def test_what_was_never_made_is_missing_however_far_it_is_from_what_landed(
    spark: SparkSession, settings: Settings
) -> None:
    """Bronze is there and nothing else: facts, the rollups that read them and the marts that read those are planned.

    What is kept as it is is named as far as this lake has it: nothing of ads, which never landed.
    """
    simulate(Path(settings.landing), START, END, 50, 7)
    bronze = ["bronze_impressions", "bronze_engagements", "bronze_shares"]
    assert not runner.run(spark, settings, START, END, bronze).errors
    made = plan.make(driver.open_lake(spark, settings)[0], request.make(INTERVAL, None, "missing"))
    hours, day = [START, START + HOUR, START + 2 * HOUR], [START.replace(hour=0)]
    assert made.hours["fct_impressions"] == made.hours["agg_post_engagement_hourly"] == hours
    assert made.hours["mart_post_engagement_daily"] == made.hours["mart_ranker_viewer_daily"] == day
    assert set(made.kept) == {"fct_dwell_per_impression", "dim_posts"}


def test_an_hour_all_of_whose_records_landed_later_is_missing_too(spark: SparkSession, settings: Settings) -> None:
    """A share of 8:00 landed in 10:00, and no share in 8:00."""
    shares.land(settings, 1)
    assert not runner.run(spark, settings, START, END, ["bronze_shares"]).errors
    made = planned(spark, settings, "fct_shares", only="missing")
    assert START in made.hours["fct_shares"]


def test_a_finished_lake_has_nothing_missing_failed_or_stale(spark: SparkSession, simulated: Simulated) -> None:
    """Nothing to rebuild, and `all` is every hour of the range and the day it lies in."""
    for only in ("missing", "failed", "stale"):
        assert planned(spark, simulated.settings, only=only).steps == ()
    everything = planned(spark, simulated.settings).hours
    assert everything["fct_shares"] == [START, START + HOUR, START + 2 * HOUR]
    assert everything["mart_post_engagement_daily"] == [START.replace(hour=0)]
    assert "fct_dwell_per_impression" not in everything


def test_a_plan_expects_rows_and_seconds_from_the_ledger(spark: SparkSession, simulated: Simulated) -> None:
    """Rows as last published; seconds for each hour as runs took so far."""
    (step,) = planned(spark, simulated.settings, "fct_shares").steps
    ledger = driver.open_lake(spark, simulated.settings)[0].ledger
    assert step.rows == sum(ledger.state("fct_shares")[h]["row_count"] for h in step.hours)
    assert step.seconds and step.seconds > 0


def test_a_plan_says_that_dwell_is_kept(spark: SparkSession, simulated: Simulated) -> None:
    """Rollups read the dwell there is, since the raw beats may be gone."""
    assert "heartbeats" in planned(spark, simulated.settings).kept["fct_dwell_per_impression"]


@pytest.mark.parametrize(
    ("span", "table", "words"),
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
    """The lake's own newest landed hour is the clock, not the wall; the message says where to begin or end."""
    before = versions(spark, simulated.settings), sorted(p.name for p in simulated.lake.iterdir())
    with pytest.raises(ConfigError) as caught:
        driver.declare(spark, simulated.settings, request.make(interval, [table]), "me", "test")
    assert all(word in str(caught.value) for word in words)
    assert before == (versions(spark, simulated.settings), sorted(p.name for p in simulated.lake.iterdir()))


def test_more_days_than_configured_want_yes(spark: SparkSession, simulated: Simulated) -> None:
    """The days that have anything to rebuild count: a mart from rollups kept for good may go back far."""
    cheap = simulated.settings.model_copy(update={"backfill_days_without_yes": 0})
    with pytest.raises(ConfigError, match="--yes"):
        driver.declare(spark, cheap, request.make(INTERVAL, ["fct_shares"]), "me", "test")
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
            ("fct_shares", "v9", "transform_v9"),
        ),
        (("plan", "--from", "2026-06-01T08", "--to", "2026-06-01T10", "--from-version", "v2"), ("one --table",)),
        (("run", "--from", "2026-06-01T08", "--to", "2026-06-01T10", "--reason", "x"), ("--owner",)),
        (("run", "--resume", "x", "--table", "fct_shares"), ("as it was declared",)),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_refused_before_spark_starts(
    arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    """One line that names what is wrong and what there is; exit code 2; nothing is made."""
    refused(feed_etl("--lake", str(tmp_path / "lake"), "backfill", *arguments, JAVA_HOME=str(tmp_path)), 2, *words)
    assert list(tmp_path.iterdir()) == []


def test_plan_is_one_json_document_and_writes_nothing(simulated: Simulated) -> None:
    """Steps, downstream and what is kept, as a program reads them."""
    there = sorted(p.name for p in simulated.lake.rglob("*.json"))
    done = feed_etl(
        "--lake", str(simulated.lake), "backfill", "plan", "--from", "2026-06-01T08", "--to", "2026-06-01T10",
        "--table", "fct_shares", "--json",
    )  # fmt: skip
    made = json.loads(done.stdout)
    assert [step["table"] for step in made["steps"]] == ["fct_shares"]
    assert made["steps"][0]["hours"] == ["2026-06-01T08:00:00+00:00", "2026-06-01T09:00:00+00:00"]
    assert there == sorted(p.name for p in simulated.lake.rglob("*.json"))
    assert all(catalog.entry(step["table"]) for step in made["downstream"])
