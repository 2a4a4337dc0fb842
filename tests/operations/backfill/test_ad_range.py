"""A backfill of some ads rebuilds their rows. Rows of all other ads stay, whether they are right or wrong."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.lakes import copy, moved, uri, versions
from support.local_lake import ADS_HOURS, Simulated

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.errors import ConfigError
from etl.operations.backfill import driver, request
from etl.operations.backfill.register import Backfill

CLICKS = "fct_ad_clicks"


def clicks(spark: SparkSession, settings: Settings) -> dict[int, int]:
    """Number of rows by ad."""
    counts = delta.read(spark, uri(settings, CLICKS)).groupBy("ad_id").count().collect()
    return {row["ad_id"]: row["count"] for row in counts}


def backfill(spark: SparkSession, settings: Settings, ads: tuple[int, int]) -> Backfill:
    made = request.make(ADS_HOURS, [CLICKS], "all", ads=ads)
    declared = driver.declare(spark, settings, made, "ads", "an advertiser complained")
    assert declared
    return driver.execute(spark, settings, declared.id, accept=True)


def test_rows_of_other_ads_stay_as_they_are(spark: SparkSession, ads_hours: Simulated, tmp_path: Path) -> None:
    """Two ads lost their rows. Only the ad in the interval gets them back. No other table has a new version."""
    settings = copy(ads_hours, tmp_path)
    expected = clicks(spark, settings)
    rebuilt, other = sorted(expected)[:2]
    spark.sql(f"DELETE FROM delta.`{uri(settings, CLICKS)}` WHERE ad_id IN ({rebuilt}, {other})")
    before = versions(spark, settings)

    done = backfill(spark, settings, (rebuilt, rebuilt + 1))

    assert done.state == "done"
    assert done.ads == (rebuilt, rebuilt + 1)
    assert clicks(spark, settings) == {ad: count for ad, count in expected.items() if ad != other}
    assert moved(spark, settings, before) == {CLICKS}

    version = versions(spark, settings)[CLICKS]
    backfill(spark, settings, (rebuilt, rebuilt + 1))
    assert versions(spark, settings)[CLICKS] == version, "the rebuilt rows are equal, so nothing is published"


@pytest.mark.parametrize("table", ["fct_attributed_conversion", "fct_user_session", "agg_session_data"])
def test_a_table_whose_rows_may_belong_to_several_ads_is_refused(table: str) -> None:
    with pytest.raises(ConfigError, match=f"{table} cannot be rebuilt for some ads only"):
        request.make(ADS_HOURS, [table], ads=(1, 2))


def test_without_a_table_all_tables_by_ad_are_chosen() -> None:
    assert request.make(ADS_HOURS, None, ads=(1, 2)).tables == (
        "stg_ad_clicks",
        "stg_ad_impressions",
        "fct_ad_impressions",
        "fct_ad_clicks",
        "agg_ad_clicks_5min",
        "agg_ad_clicks",
    )


@pytest.mark.parametrize("ads", [(2, 2), (3, 2), (None, 2), (2, None)])
def test_an_incomplete_or_reversed_interval_of_ads_is_refused(ads: tuple[int | None, int | None]) -> None:
    with pytest.raises(ConfigError, match="--ad-from must be before --ad-to"):
        request.make(ADS_HOURS, None, ads=ads)


def test_another_logic_version_cannot_be_limited_to_some_ads() -> None:
    with pytest.raises(ConfigError, match="for all rows"):
        request.make(ADS_HOURS, [CLICKS], version="v1", ads=(1, 2))
