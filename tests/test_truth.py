"""The tables of a simulated run equal the truth of the simulator."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.local_lake import Simulated
from support.truth import REACH_ERROR, differences, expected

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.sql import views
from etl.terminal import plain

KEYS = {
    "fct_impressions": ["impression_id"],
    "fct_engagements": ["engagement_id"],
    "fct_dwell_per_impression": ["impression_id"],
    "fct_shares": ["share_id"],
    "dim_ranker_models": ["model_semver", "valid_from"],
    "dim_posts": ["post_id", "valid_from"],
    "dim_creators": ["creator_id", "valid_from"],
    "agg_post_engagement_hourly": ["post_id", "hour"],
    "agg_ranker_hourly": ["ranker_model_id", "surface", "hour"],
    "agg_ranker_position_hourly": ["ranker_model_id", "surface", "position_bucket", "score_bucket", "hour"],
    "agg_ranker_position_daily": ["ranker_model_id", "surface", "position_bucket", "score_bucket", "day"],
    "mart_post_engagement_daily": ["post_id", "day"],
    "mart_user_affinity_daily": ["viewer_id", "day"],
    "mart_ranker_viewer_daily": ["viewer_id", "ranker_model_id", "day"],
}


@pytest.mark.parametrize("table", KEYS)
def test_every_row_equals_the_truth(spark: SparkSession, simulated: Simulated, table: str) -> None:
    """Compare row by row and column by column, in both directions."""
    assert differences(spark, simulated.settings, simulated.landing, table, KEYS[table]) == []


@pytest.mark.parametrize("table", ["agg_post_engagement_hourly", "agg_ranker_hourly"])
def test_sketches_estimate_the_true_reach(spark: SparkSession, simulated: Simulated, table: str) -> None:
    """All estimates are within four standard errors of the sketch, and 95 % within two."""
    key = KEYS[table]
    wanted = {tuple(str(r[k]) for k in key): r["reach"] for r in expected(simulated.landing, table)}
    rows = delta.read(spark, views.uri(simulated.settings, catalog.entry(table).table))
    found = rows.select(*key, F.hll_sketch_estimate("reach_hll").alias("reach")).collect()
    errors = []
    for row in found:
        name = tuple(str(plain(row[k])).replace("+00:00", ".000000+00:00") for k in key)
        errors.append(abs(row["reach"] - wanted[name]) / max(1, wanted[name]))
    assert max(errors) <= REACH_ERROR
    assert sum(e <= REACH_ERROR / 2 for e in errors) >= 0.95 * len(errors)


def test_every_quarantined_record_has_the_reasons_of_the_simulator(spark: SparkSession, simulated: Simulated) -> None:
    """Compare counts per event, landed hour and reason."""
    rows = delta.read(spark, views.uri(simulated.settings, catalog.entry("quarantine").table))
    found = rows.withColumn("reason", F.explode("reasons")).groupBy("event", "landed_hour", "reason").count()
    counted = {(r["event"], plain(r["landed_hour"]), r["reason"]): r["count"] for r in found.collect()}
    wanted = {
        (r["event"], r["landed_hour"].replace(".000000", ""), r["reason"]): r["records"]
        for r in expected(simulated.landing, "quarantine")
    }
    assert counted == wanted


def test_landed_records_are_counted_by_event_and_hour(spark: SparkSession, simulated: Simulated) -> None:
    """Accepted and quarantined records of each landed hour. Heartbeats are in no table."""
    rows = delta.read(spark, views.uri(simulated.settings, catalog.entry("agg_ingest_hourly").table)).collect()
    counted = {(r["event"], plain(r["landed_hour"])): (r["records_accepted"], r["records_quarantined"]) for r in rows}
    wanted = {
        (r["event"], r["landed_hour"].replace(".000000", "")): (r["accepted"], r["quarantined"])
        for r in expected(simulated.landing, "landing")
        if r["event"] != "heartbeats"
    }
    assert counted == wanted


def test_accepted_plus_quarantined_records_equal_records_read(simulated: Simulated) -> None:
    """Compare the three numbers of every event with the simulator's counts."""
    totals: dict[str, list[int]] = {}
    for row in expected(simulated.landing, "landing"):
        sums = totals.setdefault(row["event"], [0, 0, 0])
        for i, column in enumerate(("records", "accepted", "quarantined")):
            sums[i] += row[column]
    event_of = {t.name: t.event.name for t in catalog.tables() if t.event}
    for entry in simulated.summary.entries:
        if entry.table_name in event_of:
            numbers = [entry.records_read, entry.records_accepted, entry.records_quarantined]
            assert numbers == totals[event_of[entry.table_name]], entry.table_name
            assert numbers[1] + numbers[2] == numbers[0]


def test_a_run_does_not_change_landing_files(simulated: Simulated) -> None:
    """The run only reads the landing zone."""
    assert {p.name for p in Path(simulated.landing).iterdir()} >= {"_truth", "impressions", "heartbeats"}
