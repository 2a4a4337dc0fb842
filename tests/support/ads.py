"""One ad, one campaign and one advertiser for tests of ads."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from etl.subjects.ads.dims import dim_ads, dim_advertisers, dim_campaigns
from support.rows import Row, rows

AD, CREATIVE, CAMPAIGN, ADVERTISER = 1, 10, 100, 1000
OWNERS: Row = {"creative_id": CREATIVE, "campaign_id": CAMPAIGN, "advertiser_id": ADVERTISER}


def versions(
    spark: SparkSession,
    ads: list[Row] | None = None,
    campaigns: list[Row] | None = None,
    advertisers: list[Row] | None = None,
) -> dict[str, DataFrame]:
    """The three dimensions by name. Without arguments, each has one version that is always valid."""
    ad = {"ad_sk": 1, "ad_id": AD, "creative_id": CREATIVE, "campaign_id": CAMPAIGN}
    campaign = {"campaign_sk": 1, "campaign_id": CAMPAIGN, "advertiser_id": ADVERTISER}
    advertiser = {"advertiser_sk": 1, "advertiser_id": ADVERTISER, "time_zone": "UTC",
                  "click_window_days": 7, "view_window_days": 1}  # fmt: skip
    return {
        "dim_ads": rows(spark, dim_ads.TABLE, [ad | more for more in ads or [{}]]),
        "dim_campaigns": rows(spark, dim_campaigns.TABLE, [campaign | more for more in campaigns or [{}]]),
        "dim_advertisers": rows(spark, dim_advertisers.TABLE, [advertiser | more for more in advertisers or [{}]]),
    }
