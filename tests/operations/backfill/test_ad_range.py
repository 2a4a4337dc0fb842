"""A backfill of some ads: their rows are built again, those of all other ads stay as they are, wrong or right."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.lakes import copy, moved, uri, versions
from support.local_lake import ADS_HOURS, Simulated

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.errors import ConfigError
from etl.operations.backfill import driver, request

CLICKS = "fct_ad_clicks"


def clicks(spark: SparkSession, settings: Settings) -> dict[int, int]:
    """Rows by ad."""
    found = delta.read(spark, uri(settings, CLICKS)).groupBy("ad_id").count().collect()
    return {row["ad_id"]: row["count"] for row in found}


def backfilled(spark: SparkSession, settings: Settings, ads: tuple[int, int]) -> driver.Backfill:
    made = request.make(ADS_HOURS, [CLICKS], "all", ads=ads)
    declared = driver.declare(spark, settings, made, "ads", "an advertiser complained")
    assert declared
    return driver.go_on(spark, settings, declared.id, accept=True)


def test_rows_of_other_ads_stay_as_they_are(spark: SparkSession, ads_hours: Simulated, tmp_path: Path) -> None:
    """Two ads lost their rows; only the one in the range has them again, and no other table has a new version."""
    settings = copy(ads_hours, tmp_path)
    right = clicks(spark, settings)
    mended, other = sorted(right)[:2]
    spark.sql(f"DELETE FROM delta.`{uri(settings, CLICKS)}` WHERE ad_id IN ({mended}, {other})")
    before = versions(spark, settings)

    done = backfilled(spark, settings, (mended, mended + 1))

    assert done.state == "done"
    assert done.ads == (mended, mended + 1)
    assert clicks(spark, settings) == {ad: count for ad, count in right.items() if ad != other}
    assert moved(spark, settings, before) == {CLICKS}

    version = versions(spark, settings)[CLICKS]
    backfilled(spark, settings, (mended, mended + 1))
    assert versions(spark, settings)[CLICKS] == version, "built again it is the same, so nothing is published"


@pytest.mark.parametrize("table", ["fct_attributed_conversion", "fct_user_session", "agg_session_data"])
def test_a_table_whose_rows_are_not_of_one_ad_is_refused(table: str) -> None:
    with pytest.raises(ConfigError, match=f"{table} cannot be rebuilt for some ads only"):
        request.make(ADS_HOURS, [table], ads=(1, 2))


def test_without_a_table_those_by_ad_are_chosen() -> None:
    assert request.make(ADS_HOURS, None, ads=(1, 2)).tables == (
        "stg_ad_clicks",
        "stg_ad_impressions",
        "fct_ad_impressions",
        "fct_ad_clicks",
        "agg_ad_clicks_5min",
        "agg_ad_clicks",
    )


@pytest.mark.parametrize("ads", [(2, 2), (3, 2), (None, 2), (2, None)])
def test_half_a_range_or_a_reversed_one_is_refused(ads: tuple[int | None, int | None]) -> None:
    with pytest.raises(ConfigError, match="--ad-from must be before --ad-to"):
        request.make(ADS_HOURS, None, ads=ads)


def test_other_logic_is_for_all_rows() -> None:
    with pytest.raises(ConfigError, match="for all rows"):
        request.make(ADS_HOURS, [CLICKS], version="v1", ads=(1, 2))
