"""A lake of ads of an earlier release goes on: migrated and run, it equals a lake made new.

`tests/golden/ads/<release>.tar.xz` has the lake and the landing zone of two hours, of which the release processed the
first. Its conversions name no advertiser. With `ads.legacy_attribution` both lakes keep the old rule for them.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.lakes import uri
from support.local_lake import local_settings
from support.rows import at

from etl.conf import Settings
from etl.conf.subjects import Ads
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from etl.operations.migrate import driver

pytestmark = pytest.mark.slow

RELEASES = sorted((Path(__file__).parent / "golden" / "ads").glob("*.tar.xz"))
TABLES = ["dim_campaigns", "dim_advertisers", "stg_conversions", "fct_ad_clicks", "fct_attributed_conversion",
          "mart_campaign_daily", "mart_campaign_event_daily"]  # fmt: skip
INPUTS = ["bronze_ad_impressions", "bronze_ad_clicks", "bronze_page_events", "bronze_conversions", "bronze_ads",
          "bronze_campaigns", "bronze_advertisers", "dim_ads", "stg_ad_impressions", "stg_ad_clicks", "stg_page_events",
          "fct_conversion_repeat", "fct_ad_impressions"]  # fmt: skip
ESTIMATES = ("reach_hll", "reach")


@pytest.fixture(params=RELEASES, ids=lambda file: file.name.removesuffix(".tar.xz"))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The lake and the landing zone of a release, in a place that keeps the old rule of attribution."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return local_settings(tmp_path).model_copy(update={"ads": Ads(legacy_attribution="any_advertiser")})


def run(spark: SparkSession, settings: Settings) -> Summary:
    summary = runner.run(spark, settings, at("10:00"), at("12:00"), tables=[*INPUTS, *TABLES])
    assert not summary.errors, summary.errors
    return summary


def content(spark: SparkSession, settings: Settings, table: str) -> list[str]:
    """The rows of a table, without the estimates of sketches."""
    return sorted(map(str, delta.read(spark, uri(settings, table)).drop(*ESTIMATES).collect()))


def test_a_lake_of_an_earlier_release_is_migrated_and_equals_a_lake_made_new(
    spark: SparkSession, old: Settings, tmp_path: Path
) -> None:
    driver.migrate(spark, old)
    kept = delta.read(spark, uri(old, "fct_attributed_conversion"))
    assert not kept.isEmpty() and kept.where("rule_version IS NOT NULL OR is_repeat IS NOT NULL").isEmpty()

    run(spark, old)

    new = old.model_copy(update={"lake": str(tmp_path / "new")})
    run(spark, new)
    for table in TABLES:
        assert content(spark, old, table) == content(spark, new, table), table
    versions = delta.read(spark, uri(old, "fct_attributed_conversion")).select("rule_version").distinct().collect()
    assert [row.rule_version for row in versions] == [1]
