"""One row per click on an ad, without duplicates. The grain is (ad_id, user_id, session_id, click_ts).

This table holds the columns that never change. Columns that depend on dimensions or page events (campaign, device) are
in fct_ad_clicks, because a late-arriving change of these updates them.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, InsertNew, Layer, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.events import AD_CLICKS
from etl.subjects.ads.measures import CLICKS_DAYS
from etl.subjects.shared.bronze_tables import bronze_table

TABLE = Table(
    name="stg_ad_clicks",
    layer=Layer.FACTS,
    columns=columns("ad_id", "user_id", "session_id", "click_ts", "ad_impression_id?", "click_hour"),
    key=("ad_id", "user_id", "session_id", "click_ts"),
    write=InsertNew(),
    owner="ads",
    partition=("click_hour",),
    cluster=("user_id", "session_id", "click_ts", "ad_id"),
    inputs=(Input(bronze_table(AD_CLICKS)),),
    retention_days=CLICKS_DAYS,
)


def transform(bronze_ad_clicks: DataFrame) -> DataFrame:
    """Bronze clicks -> rows with the hour of the click, duplicates not yet removed."""
    return bronze_ad_clicks.withColumn("click_hour", F.date_trunc("hour", "click_ts")).select(*TABLE.column_names)
