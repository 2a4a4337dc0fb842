"""One row per ad impression: its price, whether it is valid, and its campaign and advertiser at that time."""

from pyspark.sql import DataFrame

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.dims import dim_ads, dim_advertisers, dim_campaigns
from etl.subjects.ads.facts import stg_ad_impressions
from etl.subjects.ads.measures import IMPRESSIONS_DAYS, stamp

TABLE = Table(
    name="fct_ad_impressions",
    layer=Layer.FACTS,
    columns=columns(
        "ad_impression_id",
        "user_id",
        "ad_id",
        "session_id?",
        "surface",
        "creative_id?",
        "campaign_id?",
        "advertiser_id?",
        "clearing_cpm",
        "spend_micros",
        "is_valid",
        "experiment_ids",
        "impression_ts",
        "time_zone?",
        "local_day",
        "ad_impression_hour",
    ),
    key=("ad_impression_id",),
    write=Replace(),
    owner="ads",
    partition=("ad_impression_hour",),
    cluster=("user_id", "ad_impression_id"),
    inputs=(
        Input(stg_ad_impressions.TABLE, by="ad_impression_hour"),
        Input(dim_ads.TABLE, as_of=True),
        Input(dim_campaigns.TABLE, as_of=True),
        Input(dim_advertisers.TABLE, as_of=True),
    ),
    retention_days=IMPRESSIONS_DAYS,
)


def transform(
    stg_ad_impressions: DataFrame, dim_ads: DataFrame, dim_campaigns: DataFrame, dim_advertisers: DataFrame
) -> DataFrame:
    """Impressions of whole hours, and all versions of ads, campaigns and advertisers -> impressions."""
    stamped = stamp(stg_ad_impressions, "impression_ts", dim_ads, dim_campaigns, dim_advertisers)
    return stamped.select(*TABLE.column_names)
