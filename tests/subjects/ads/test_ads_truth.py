"""A run of simulated ads gives exactly the truth of the simulator, without missing or extra rows."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.local_lake import ADS_END, ADS_START, Simulated
from support.truth import REACH_ERROR, differences, expected

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.sql import views
from etl.subjects.ads.simulate import AdsScenario, simulate_ads

KEYS = {
    "dim_ads": ["ad_id", "valid_from"],
    "dim_campaigns": ["campaign_id", "valid_from"],
    "dim_advertisers": ["advertiser_id", "valid_from"],
    "fct_ad_clicks": ["click_id"],
    "fct_ad_impressions": ["ad_impression_id"],
    "fct_user_session": ["user_id", "session_id"],
    "fct_attributed_conversion": ["conversion_id"],
    "fct_conversion_repeat": ["conversion_id"],
    "agg_ad_clicks_5min": ["ad_id", "window_start"],
    "agg_ad_clicks": ["ad_id", "day"],
    "agg_session_data": ["day", "region", "device"],
    "agg_creative_daily": ["advertiser_id", "creative_id", "frequency_bucket", "day"],
    "mart_campaign_daily": ["advertiser_id", "campaign_id", "day"],
    "mart_campaign_event_daily": ["advertiser_id", "campaign_id", "event_name", "day"],
    "mart_creative_daily": ["advertiser_id", "creative_id", "day"],
    "rec_spend_daily": ["campaign_id", "day"],
}


@pytest.mark.parametrize("table", KEYS)
def test_every_row_equals_the_truth(spark: SparkSession, simulated_ads: Simulated, table: str) -> None:
    """Compares every row and column; no row is missing or extra."""
    assert differences(spark, simulated_ads.settings, simulated_ads.landing, table, KEYS[table]) == []


@pytest.mark.parametrize(("table", "column", "values"), [
    ("fct_attributed_conversion", "attribution", {"click", "view", "organic"}),
    ("fct_attributed_conversion", "is_in_time", {True, False}),
    ("fct_attributed_conversion", "is_repeat", {True, False}),
    ("fct_attributed_conversion", "is_objective", {True, False, None}),
    ("fct_ad_clicks", "is_valid", {True, False}),
    ("rec_spend_daily", "explanation",
     {"agrees", "rounding", "invalid_traffic", "no_invoice", "no_delivery", "unallocated"}),
    ("agg_creative_daily", "frequency_bucket", {"1", "2-3", "4-7", "8+"}),
])  # fmt: skip
def test_the_simulation_contains_every_case(
    simulated_ads: Simulated, table: str, column: str, values: set[object]
) -> None:
    assert {row[column] for row in expected(simulated_ads.landing, table)} == values


def test_some_sessions_cross_midnight_and_some_creative_days_have_a_score(simulated_ads: Simulated) -> None:
    sessions = expected(simulated_ads.landing, "fct_user_session")
    scores = [row["z_score"] for row in expected(simulated_ads.landing, "mart_creative_daily")]
    assert any(row["session_end"][:10] > row["day"] for row in sessions)
    assert [score for score in scores if score is not None]


def test_every_landed_conversion_has_one_attributed_row(spark: SparkSession, simulated_ads: Simulated) -> None:
    """Attribution neither loses nor duplicates a conversion."""
    uri = {name: views.uri(simulated_ads.settings, catalog.entry(name).table) for name in catalog.entries()}
    landed = delta.read(spark, uri["bronze_conversions"]).select("conversion_id").distinct().count()
    assert delta.read(spark, uri["fct_attributed_conversion"]).count() == landed


def test_ad_spend_and_unallocated_spend_add_up_to_the_charge_of_the_campaign(
    spark: SparkSession, simulated_ads: Simulated
) -> None:
    rows = delta.read(spark, views.uri(simulated_ads.settings, catalog.entry("rec_spend_daily").table)).collect()
    assert rows and all(row.ad_usd + row.unallocated_usd == row.campaign_usd for row in rows)
    assert all(isinstance(row.campaign_usd, Decimal) for row in rows)


def test_sketches_of_users_estimate_the_true_number(spark: SparkSession, simulated_ads: Simulated) -> None:
    uri = views.uri(simulated_ads.settings, catalog.entry("agg_ad_clicks").table)
    rows = delta.read(spark, uri).select("users", F.hll_sketch_estimate("users_hll").alias("estimate")).collect()
    assert all(abs(row.estimate - row.users) <= REACH_ERROR * row.users for row in rows)


def test_a_run_of_ads_creates_no_feed_table(spark: SparkSession, simulated_ads: Simulated) -> None:
    existing = {t.name for t in catalog.tables() if delta.is_table(spark, views.uri(simulated_ads.settings, t))}
    assert existing == set(catalog.of_subjects(["ads"]))


def test_a_second_run_of_a_finished_interval_changes_nothing(spark: SparkSession, simulated_ads: Simulated) -> None:
    again = runner.run(spark, simulated_ads.settings, ADS_START, ADS_END)
    assert (again.entries, again.errors) == ([], {})


def test_equal_scenarios_write_equal_bytes(tmp_path: Path) -> None:
    scenario = AdsScenario(ADS_START, ADS_END, 50, 3, busy=(5, 6))
    for name in ("one", "two"):
        simulate_ads(tmp_path / name, scenario)
    one, two = (
        {f.relative_to(tmp_path / name): f.read_bytes() for f in (tmp_path / name).rglob("*") if f.is_file()}
        for name in ("one", "two")
    )
    assert one == two
    assert json.loads((tmp_path / "one" / "_truth" / "ads_scenario.json").read_text())["seed"] == 3
