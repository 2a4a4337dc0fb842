"""One row per click on an ad, with what was known of it then and whether it is taken for valid traffic.

click_id is a hash of the grain: the same click has the same id in any engine, run and order. Ad, campaign and
advertiser are those as of the click, device and region those the session had told by then, less than six hours before.
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.dims import dim_ads, dim_advertisers, dim_campaigns
from etl.subjects.ads.facts import stg_ad_clicks, stg_page_events
from etl.subjects.ads.measures import HOUR_US, SESSION_HOURS, click_id, judge_traffic, stamp

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
    retention_days=30,
    made_of_person=(("click_id", click_id("click_ts")),),
)
SESSION = ["user_id", "session_id"]
TOLD = ["device", "region"]


def transform(
    stg_ad_clicks: DataFrame,
    stg_page_events: DataFrame,
    dim_ads: DataFrame,
    dim_campaigns: DataFrame,
    dim_advertisers: DataFrame,
) -> DataFrame:
    """Clicks of whole hours and the hour before, page events as far back as a session lasts -> clicks.

    All that is looked at in order is one user's, and files hold ranges of users: rows are brought together once, for
    the windows and the files.
    """
    told = stg_page_events.select(
        *SESSION, F.col("event_ts").alias("_at"), F.lit(False).alias("_is_click"), "event_name", *TOLD
    )
    clicks = stg_ad_clicks.withColumn("_at", F.col("click_ts")).withColumn("_is_click", F.lit(True))
    line = clicks.unionByName(told, allowMissingColumns=True).repartitionByRange("user_id")
    known = _told_by_then(judge_traffic(line)).where("_is_click")
    stamped = stamp(known, "click_ts", dim_ads, dim_campaigns, dim_advertisers)
    return stamped.withColumn("click_id", click_id("click_ts")(F.col("user_id"))).select(*TABLE.column_names)


def _told_by_then(line: DataFrame) -> DataFrame:
    """Clicks and what sessions told, with the device and region last told of, at their own instant included.

    What was told six hours before or earlier is of another visit, also where a run of many hours sees it.
    """
    so_far = Window.partitionBy(*SESSION).orderBy("_at", "_is_click", "event_name")
    last = {
        f"_{name}": F.last(F.when(F.col(name).isNotNull(), F.struct("_at", name)), ignorenulls=True).over(so_far)
        for name in TOLD
    }
    visit = SESSION_HOURS * HOUR_US
    recent = {
        name: F.expr(f"IF(unix_micros(_at) - unix_micros(_{name}._at) < {visit}, _{name}.{name}, NULL)")
        for name in TOLD
    }
    return line.withColumns(last).withColumns(recent)
