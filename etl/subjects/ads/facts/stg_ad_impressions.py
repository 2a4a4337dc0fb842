"""One row per ad impression, without duplicates, in the hour the ad was shown."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import DEDUP_WINDOW_DAYS, Input, InsertNew, Layer, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.events import AD_IMPRESSIONS
from etl.subjects.ads.measures import IMPRESSIONS_DAYS
from etl.subjects.shared.bronze_tables import bronze_table

TABLE = Table(
    name="stg_ad_impressions",
    layer=Layer.FACTS,
    columns=columns(
        "ad_impression_id",
        "user_id",
        "ad_id",
        "session_id?",
        "surface",
        "clearing_cpm",
        "spend_micros",
        "is_valid",
        "experiment_ids",
        "impression_ts",
        "ad_impression_hour",
    ),
    key=("ad_impression_id",),
    write=InsertNew(dedup_window_days=DEDUP_WINDOW_DAYS),
    owner="ads",
    partition=("ad_impression_hour",),
    cluster=("user_id", "ad_impression_id"),
    inputs=(Input(bronze_table(AD_IMPRESSIONS)),),
    retention_days=IMPRESSIONS_DAYS,
)


def transform(bronze_ad_impressions: DataFrame) -> DataFrame:
    """Bronze impressions -> rows with the hour of the impression, duplicates not yet removed."""
    return bronze_ad_impressions.withColumn("ad_impression_hour", F.date_trunc("hour", "impression_ts")).select(
        *TABLE.column_names
    )
