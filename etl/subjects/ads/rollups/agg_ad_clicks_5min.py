"""One row per ad and five minutes with valid clicks: the number of clicks and a sketch of the users."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.facts import fct_ad_clicks
from etl.subjects.ads.measures import WINDOW_US
from etl.transforms.sketches import HLL_LG_K

TABLE = Table(
    name="agg_ad_clicks_5min",
    layer=Layer.ROLLUPS,
    columns=columns("ad_id", "window_start", "ad_clicks", "users_hll", "hour"),
    key=("ad_id", "window_start"),
    write=Replace(),
    owner="ads",
    partition=("hour",),
    cluster=("ad_id", "window_start"),
    inputs=(Input(fct_ad_clicks.TABLE, by="click_hour"),),
    checksum_skips=("users_hll",),
)


def transform(fct_ad_clicks: DataFrame) -> DataFrame:
    """Clicks of whole hours -> one row per ad and window. Windows are half-open and aligned to the clock."""
    start = f"timestamp_micros(unix_micros(click_ts) DIV {WINDOW_US} * {WINDOW_US})"
    return (
        fct_ad_clicks.where("is_valid")
        .groupBy("ad_id", F.expr(start).alias("window_start"), F.col("click_hour").alias("hour"))
        .agg(F.count("*").alias("ad_clicks"), F.hll_sketch_agg("user_id", HLL_LG_K).alias("users_hll"))
        .select(*TABLE.column_names)
    )
