"""One row per click on an ad, with its campaign, device and region at that time, and whether it is valid traffic.

click_id is a hash of the grain: a click has the same id in every engine, run and order. Creative, campaign and
advertiser are as of the click. Device and region are the last values of the session in the six hours before the click.
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.dims import dim_ads, dim_advertisers, dim_campaigns
from etl.subjects.ads.facts import stg_ad_clicks, stg_page_events
from etl.subjects.ads.measures import CLICKS_DAYS, HOUR_US, SESSION_HOURS, click_id, judge_traffic, stamp

TABLE = Table(
    name="fct_ad_clicks",
    layer=Layer.FACTS,
    columns=columns(
        "click_id",
        "ad_id",
        "user_id",
        "session_id",
        "click_ts",
        "ad_impression_id?",
        "creative_id?",
        "campaign_id?",
        "advertiser_id?",
        "device?",
        "region?",
        "is_valid",
        "time_zone?",
        "local_day",
        "click_hour",
    ),
    key=("click_id",),
    write=Replace(preclustered=True),
    owner="ads",
    partition=("click_hour",),
    cluster=("user_id", "session_id", "click_ts"),
    inputs=(
        Input(stg_ad_clicks.TABLE, by="click_hour", behind_hours=1),
        Input(stg_page_events.TABLE, by="event_hour", behind_hours=SESSION_HOURS),
        Input(dim_ads.TABLE, as_of=True),
        Input(dim_campaigns.TABLE, as_of=True),
        Input(dim_advertisers.TABLE, as_of=True),
    ),
    retention_days=CLICKS_DAYS,
    derived_from_person=(("click_id", click_id("click_ts")),),
)
SESSION = ["user_id", "session_id"]
PAGE_FIELDS = ["device", "region"]


def transform(
    stg_ad_clicks: DataFrame,
    stg_page_events: DataFrame,
    dim_ads: DataFrame,
    dim_campaigns: DataFrame,
    dim_advertisers: DataFrame,
) -> DataFrame:
    """Clicks of whole hours and the hour before, and page events of the session length before -> clicks.

    All windows are per user, and output files hold ranges of users. So rows are range-partitioned by user once, for
    the windows and for the write.
    """
    pages = stg_page_events.select(
        *SESSION, F.col("event_ts").alias("_at"), F.lit(False).alias("_is_click"), "event_name", *PAGE_FIELDS
    )
    clicks = stg_ad_clicks.withColumn("_at", F.col("click_ts")).withColumn("_is_click", F.lit(True))
    events = clicks.unionByName(pages, allowMissingColumns=True).repartitionByRange("user_id")
    known = _with_last_values(judge_traffic(events)).where("_is_click")
    stamped = stamp(known, "click_ts", dim_ads, dim_campaigns, dim_advertisers)
    return stamped.withColumn("click_id", click_id("click_ts")(F.col("user_id"))).select(*TABLE.column_names)


def _with_last_values(events: DataFrame) -> DataFrame:
    """Fill device and region with the last value of the session up to and including the time of each row.

    A value that is six hours old or older belongs to another visit and is not used, even when a run reads it.
    """
    so_far = Window.partitionBy(*SESSION).orderBy("_at", "_is_click", "event_name")
    last = {
        f"_{name}": F.last(F.when(F.col(name).isNotNull(), F.struct("_at", name)), ignorenulls=True).over(so_far)
        for name in PAGE_FIELDS
    }
    visit = SESSION_HOURS * HOUR_US
    recent = {
        name: F.expr(f"IF(unix_micros(_at) - unix_micros(_{name}._at) < {visit}, _{name}.{name}, NULL)")
        for name in PAGE_FIELDS
    }
    return events.withColumns(last).withColumns(recent)
