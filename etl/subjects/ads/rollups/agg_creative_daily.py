"""One row per creative, day of the advertiser and frequency bucket: valid impressions and clicks.

The frequency of an impression is its number among the impressions of the creative that its user saw on that day. A
click counts in the bucket of the user's latest impression so far; a click before any impression counts in bucket 1.
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.facts import fct_ad_clicks, fct_ad_impressions
from etl.subjects.ads.measures import EAST_HOURS, WEST_HOURS

TABLE = Table(
    name="agg_creative_daily",
    layer=Layer.ROLLUPS,
    columns=columns("advertiser_id", "creative_id", "frequency_bucket", "impressions", "ad_clicks", "day"),
    key=("advertiser_id", "creative_id", "frequency_bucket", "day"),
    write=Replace(),
    owner="ads",
    partition=("day",),
    cluster=("advertiser_id", "creative_id"),
    inputs=(
        Input(fct_ad_impressions.TABLE, by="ad_impression_hour", behind_hours=EAST_HOURS, ahead_hours=WEST_HOURS),
        Input(fct_ad_clicks.TABLE, by="click_hour", behind_hours=EAST_HOURS, ahead_hours=WEST_HOURS),
    ),
)
SEEN = ("user_id", "advertiser_id", "creative_id", "day")
BUCKET = "CASE WHEN seen < 2 THEN '1' WHEN seen < 4 THEN '2-3' WHEN seen < 8 THEN '4-7' ELSE '8+' END"


def transform(fct_ad_impressions: DataFrame, fct_ad_clicks: DataFrame) -> DataFrame:
    """Impressions and clicks of whole days in every time zone -> one row per creative, day and frequency bucket."""
    shown = _acts(fct_ad_impressions, "impression_ts", "ad_impression_id", is_click=False)
    clicked = _acts(fct_ad_clicks, "click_ts", "click_id", is_click=True)
    so_far = Window.partitionBy(*SEEN).orderBy("at", "is_click", "id").rowsBetween(Window.unboundedPreceding, 0)
    return (
        shown.unionByName(clicked)
        .withColumn("seen", F.count_if(~F.col("is_click")).over(so_far))
        .groupBy("advertiser_id", "creative_id", F.expr(BUCKET).alias("frequency_bucket"), "day")
        .agg(F.count_if(~F.col("is_click")).alias("impressions"), F.count_if("is_click").alias("ad_clicks"))
        .select(*TABLE.column_names)
    )


def _acts(rows: DataFrame, at: str, id_: str, is_click: bool) -> DataFrame:
    """Valid rows of known ads -> (user_id, advertiser_id, creative_id, day, at, is_click, id)."""
    return rows.where("is_valid AND advertiser_id IS NOT NULL").select(
        "user_id",
        "advertiser_id",
        "creative_id",
        F.col("local_day").alias("day"),
        F.col(at).alias("at"),
        F.lit(is_click).alias("is_click"),
        F.col(id_).cast("string").alias("id"),
    )
