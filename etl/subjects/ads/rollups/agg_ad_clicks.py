"""One row per ad and UTC day with valid clicks: clicks, users, sessions.

Clicks and the sketch are merged from five-minute rows. Exact distinct counts cannot be merged, so users and sessions
are counted from the clicks.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.facts import fct_ad_clicks
from etl.subjects.ads.rollups import agg_ad_clicks_5min

TABLE = Table(
    name="agg_ad_clicks",
    layer=Layer.ROLLUPS,
    columns=columns("ad_id", "ad_clicks", "users", "sessions", "users_hll", "day"),
    key=("ad_id", "day"),
    write=Replace(),
    owner="ads",
    partition=("day",),
    cluster=("ad_id",),
    inputs=(Input(agg_ad_clicks_5min.TABLE, by="hour"), Input(fct_ad_clicks.TABLE, by="click_hour")),
    checksum_skips=("users_hll",),
)


def transform(agg_ad_clicks_5min: DataFrame, fct_ad_clicks: DataFrame) -> DataFrame:
    """Five-minute rows and clicks of whole days -> one row per ad and day."""
    merged = agg_ad_clicks_5min.groupBy("ad_id", F.to_date("hour").alias("day")).agg(
        F.sum("ad_clicks").alias("ad_clicks"), F.hll_union_agg("users_hll").alias("users_hll")
    )
    by_user = (
        fct_ad_clicks.where("is_valid")
        .groupBy("ad_id", F.to_date("click_hour").alias("day"), "user_id")
        .agg(F.count_distinct("session_id").alias("sessions"))
    )
    counted = by_user.groupBy("ad_id", "day").agg(
        F.count("user_id").alias("users"), F.sum("sessions").alias("sessions")
    )
    return merged.join(counted, ["ad_id", "day"]).select(*TABLE.column_names)
