"""One row per conversion, attributed or not: the click or view that earned the credit, and its campaign.

The last valid click within the advertiser's click window earns the credit. Without one, the last valid view within the
view window earns it. Without either, the conversion is organic. Windows are the advertiser's as of the conversion. They
are half-open: a touch (click or view) exactly one window before the conversion earns nothing. Of touches at the same
time, the smaller id wins. Ad, creative and campaign are as of the touch.

local_day is the day of the conversion in the time zone of the advertiser (UTC when organic). is_in_time is true when
the conversion was received before that day was locked. It depends on received_ts and not on the time of a run, so no
rerun changes a locked day.
"""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.model.work_class import WorkClass
from etl.subjects.ads.columns import columns
from etl.subjects.ads.dims import dim_advertisers
from etl.subjects.ads.facts import fct_ad_clicks, fct_ad_impressions, stg_conversions
from etl.subjects.ads.measures import CLICK_DAYS, DAY_US, VIEW_DAYS, click_id, local_day, locked_from
from etl.transforms.as_of import as_of

TABLE = Table(
    name="fct_attributed_conversion",
    layer=Layer.FACTS,
    columns=columns(
        "conversion_id",
        "user_id",
        "conversion_ts",
        "received_ts",
        "value_usd",
        "attribution",
        "touch_ts",
        "click_id?",
        "ad_impression_id?",
        "session_id?",
        "ad_id?",
        "creative_id?",
        "campaign_id?",
        "advertiser_id?",
        "local_day",
        "locked_from",
        "is_in_time",
        "day",
    ),
    key=("conversion_id",),
    write=Replace(),
    owner="ads",
    urgency=WorkClass.ATTRIBUTION,
    oldest_first=True,
    partition=("day",),
    cluster=("user_id", "conversion_id"),
    inputs=(
        Input(stg_conversions.TABLE, by="conversion_hour"),
        Input(fct_ad_clicks.TABLE, by="click_hour", behind_hours=24 * CLICK_DAYS),
        Input(fct_ad_impressions.TABLE, by="ad_impression_hour", behind_hours=24 * VIEW_DAYS),
        Input(dim_advertisers.TABLE, as_of=True),
    ),
    retention_days=30,
    derived_from_person=(("click_id", click_id("touch_ts")),),
)
TOUCH = (
    "touch_ts",
    "click_id",
    "ad_impression_id",
    "session_id",
    "ad_id",
    "creative_id",
    "campaign_id",
    "advertiser_id",
)


def transform(
    stg_conversions: DataFrame, fct_ad_clicks: DataFrame, fct_ad_impressions: DataFrame, dim_advertisers: DataFrame
) -> DataFrame:
    """Conversions of whole days, and touches of the longest window before -> conversions with their credit."""
    touches = _touches(fct_ad_clicks, fct_ad_impressions)
    credited = stg_conversions.join(_credit(stg_conversions, touches, dim_advertisers), "conversion_id", "left")
    return (
        credited.select(*stg_conversions.columns, "touch.*")
        .withColumn("attribution", F.coalesce("attribution", F.lit("organic")))
        .withColumn("time_zone", F.coalesce("time_zone", F.lit("UTC")))
        .withColumn("local_day", local_day("conversion_ts"))
        .withColumn("locked_from", locked_from())
        .withColumn("is_in_time", F.expr("received_ts < locked_from"))
        .withColumn("day", F.to_date("conversion_hour"))
        .select(*TABLE.column_names)
    )


def _touches(clicks: DataFrame, impressions: DataFrame) -> DataFrame:
    """Valid clicks and views of known ads -> (user_id, attribution, TOUCH)."""
    clicked = clicks.withColumns({"touch_ts": F.col("click_ts"), "attribution": F.lit("click")})
    seen = impressions.withColumns(
        {"touch_ts": F.col("impression_ts"), "attribution": F.lit("view"), "click_id": F.lit(None).cast("string")}
    )
    touches = [
        rows.where("is_valid AND advertiser_id IS NOT NULL").select("user_id", "attribution", *TOUCH)
        for rows in (clicked, seen)
    ]
    return reduce(DataFrame.unionByName, touches)


def _credit(conversions: DataFrame, touches: DataFrame, dim_advertisers: DataFrame) -> DataFrame:
    """(conversion_id, touch): the touch that earns the credit. Organic conversions have no row."""
    wanted_conversions = conversions.select("conversion_id", F.col("user_id").alias("_user"), "conversion_ts")
    passed = "unix_micros(conversion_ts) - unix_micros(touch_ts)"
    in_reach = F.expr(f"user_id = _user AND {passed} >= 0 AND {passed} < {CLICK_DAYS * DAY_US}")
    near = touches.join(wanted_conversions, in_reach)
    advertiser = ("click_window_days", "view_window_days", "time_zone")
    windows = as_of(near, dim_advertisers, "advertiser_id", "conversion_ts", *advertiser)
    days = "IF(attribution = 'click', click_window_days, view_window_days)"
    first = "struct(attribution, -unix_micros(touch_ts) AS ago, click_id, ad_impression_id)"  # click before view
    return (
        windows.where(f"{passed} < {days} * {DAY_US}")
        .groupBy("conversion_id")
        .agg(F.min_by(F.struct("attribution", "time_zone", *TOUCH), F.expr(first)).alias("touch"))
    )
