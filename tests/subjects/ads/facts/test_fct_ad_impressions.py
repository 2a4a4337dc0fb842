"""fct_ad_impressions: campaign, advertiser and local day as of the impression."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession
from support.ads import OWNERS, versions
from support.rows import assert_rows, at, rows

from etl.subjects.ads.facts import stg_ad_impressions
from etl.subjects.ads.facts.fct_ad_impressions import TABLE, transform


def test_an_impression_has_the_campaign_of_its_ad_at_that_time(spark: SparkSession) -> None:
    dims = versions(spark, campaigns=[
        {"valid_to": at("12:00")},
        {"campaign_id": 101, "advertiser_id": 1000},
    ], ads=[{"valid_to": at("12:00")}, {"campaign_id": 101, "valid_from": at("12:00")}])  # fmt: skip
    shown = [{"ad_id": 1, "impression_ts": at("11:59:59.999")}, {"ad_id": 1, "impression_ts": at("12:00")}]

    made = transform(rows(spark, stg_ad_impressions.TABLE, shown), **dims)

    assert_rows(made, TABLE, [
        OWNERS | {"impression_ts": at("11:59:59.999")},
        OWNERS | {"impression_ts": at("12:00"), "campaign_id": 101},
    ])  # fmt: skip


def test_local_day_follows_a_change_of_the_time_zone(spark: SparkSession) -> None:
    """23:45 UTC is the next day in Tokyo, from the time the advertiser has this time zone."""
    dims = versions(spark, advertisers=[
        {"valid_to": at("23:45")}, {"time_zone": "Asia/Tokyo", "valid_from": at("23:45")},
    ])  # fmt: skip
    shown = [{"ad_id": 1, "impression_ts": at("23:30")}, {"ad_id": 1, "impression_ts": at("23:45")}]

    made = transform(rows(spark, stg_ad_impressions.TABLE, shown), **dims)

    assert_rows(made, TABLE, [
        {"impression_ts": at("23:30"), "local_day": date(2026, 6, 1)},
        {"impression_ts": at("23:45"), "local_day": date(2026, 6, 2)},
    ])  # fmt: skip
