"""One row per conversion, attributed or not: the click or view that earned the credit, and its campaign.

Only touches (clicks and views) of ads that then were the conversion's advertiser's may earn the credit. The last valid
click within the advertiser's click window earns it. Without one, the last valid view within the view window earns it.
Without either, the conversion is organic. Windows are the advertiser's as of the conversion. They are half-open: a
touch exactly one window before the conversion earns nothing. Of touches at the same time, the smaller key wins: ad and
session of a click, ad_impression_id of a view. Ad, creative and campaign are as of the touch.

A conversion without a user, or of an unknown advertiser, is always organic. A conversion that names no advertiser
follows rule version 1: the touch of any advertiser may earn it. Such rows were landed before conversions named their
advertiser, or under `ads.legacy_attribution` of conf.

local_day is the day of the conversion in the time zone of the advertiser (UTC when it is unknown). is_in_time is true
when the conversion was received before that day was locked. It depends on received_ts and not on the time of a run, so
no rerun changes a locked day. A repeat is kept and counts nowhere (fct_conversion_repeat).
"""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.model.work_class import WorkClass
from etl.subjects.ads.columns import columns
from etl.subjects.ads.dims import dim_advertisers, dim_campaigns
from etl.subjects.ads.facts import fct_ad_clicks, fct_ad_impressions, fct_conversion_repeat, stg_conversions
from etl.subjects.ads.measures import CLICK_DAYS, CONVERSIONS_DAYS, DAY_US, PURCHASE, VIEW_DAYS, click_id, on_own_day
from etl.transforms.as_of import as_of

TABLE = Table(
    name="fct_attributed_conversion",
    layer=Layer.FACTS,
    columns=columns(
        "conversion_id",
        "user_id?",
        "conversion_ts",
        "received_ts",
        "value_usd?",
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
        "event_name?",
        "source?",
        "dedup_key?",
        "sdk_version?",
        "is_repeat?",
        "is_objective?",
        "rule_version?",
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
        Input(fct_conversion_repeat.TABLE, by="day"),
        Input(fct_ad_clicks.TABLE, by="click_hour", behind_hours=24 * CLICK_DAYS),
        Input(fct_ad_impressions.TABLE, by="ad_impression_hour", behind_hours=24 * VIEW_DAYS),
        Input(dim_campaigns.TABLE, as_of=True),
        Input(dim_advertisers.TABLE, as_of=True),
    ),
    retention_days=CONVERSIONS_DAYS,
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
)


def transform(
    stg_conversions: DataFrame,
    fct_conversion_repeat: DataFrame,
    fct_ad_clicks: DataFrame,
    fct_ad_impressions: DataFrame,
    dim_campaigns: DataFrame,
    dim_advertisers: DataFrame,
) -> DataFrame:
    """Conversions of whole days, and touches of the longest windows before -> conversions with their credit."""
    touches = _touches(fct_ad_clicks, fct_ad_impressions)
    repeats = fct_conversion_repeat.select("conversion_id", F.lit(True).alias("is_repeat"))
    credit = _credit(stg_conversions, touches, dim_advertisers)
    credited = stg_conversions.join(credit, "conversion_id", "left").join(repeats, "conversion_id", "left")
    made = credited.select(*stg_conversions.columns, "touch.*", "is_repeat").withColumns(
        {
            "rule_version": F.expr("IF(advertiser_id IS NULL, 1, 2)"),
            "advertiser_id": F.coalesce("advertiser_id", "touch_advertiser"),
            "attribution": F.coalesce("attribution", F.lit("organic")),
            "event_name": F.coalesce("event_name", F.lit(PURCHASE)),
            "is_repeat": F.coalesce("is_repeat", F.lit(False)),
            "day": F.to_date("conversion_hour"),
        }
    )
    return _with_objective(on_own_day(made, dim_advertisers), dim_campaigns).select(*TABLE.column_names)


def _touches(clicks: DataFrame, impressions: DataFrame) -> DataFrame:
    """Valid clicks and views of known ads -> (user_id, attribution, advertiser_id, TOUCH)."""
    clicked = clicks.withColumns({"touch_ts": F.col("click_ts"), "attribution": F.lit("click")})
    seen = impressions.withColumns(
        {"touch_ts": F.col("impression_ts"), "attribution": F.lit("view"), "click_id": F.lit(None).cast("string")}
    )
    touches = [
        rows.where("is_valid AND advertiser_id IS NOT NULL").select("user_id", "attribution", "advertiser_id", *TOUCH)
        for rows in (clicked, seen)
    ]
    return reduce(DataFrame.unionByName, touches)


def _credit(conversions: DataFrame, touches: DataFrame, dim_advertisers: DataFrame) -> DataFrame:
    """(conversion_id, touch): the touch that earns the credit. Organic conversions have no row."""
    wanted = conversions.select(
        "conversion_id", F.col("user_id").alias("_user"), F.col("advertiser_id").alias("_advertiser"), "conversion_ts"
    )
    passed = "unix_micros(conversion_ts) - unix_micros(touch_ts)"
    in_reach = f"user_id = _user AND {passed} >= 0 AND {passed} < {CLICK_DAYS * DAY_US}"
    is_own = "(_advertiser IS NULL OR advertiser_id = _advertiser)"  # NULL: rule version 1
    near = touches.join(wanted, F.expr(f"{in_reach} AND {is_own}"))
    windows = as_of(near, dim_advertisers, "advertiser_id", "conversion_ts", "click_window_days", "view_window_days")
    days = "IF(attribution = 'click', click_window_days, view_window_days)"
    touch = F.struct("attribution", F.col("advertiser_id").alias("touch_advertiser"), *TOUCH)
    live = windows.where(f"{passed} < {days} * {DAY_US}")
    return live.groupBy("conversion_id").agg(F.min_by(touch, F.expr(_order())).alias("touch"))


def _order() -> str:
    """What the best touch has least of: a click before a view, then the time since it, then its key."""
    click = "IF(attribution = 'click', struct(ad_id, session_id), NULL)"
    return f"struct(attribution, -unix_micros(touch_ts) AS ago, {click} AS click, ad_impression_id)"


def _with_objective(conversions: DataFrame, dim_campaigns: DataFrame) -> DataFrame:
    """Add is_objective: whether the event is the one that the campaign is for, as of the conversion."""
    known = as_of(conversions, dim_campaigns, "campaign_id", "conversion_ts", "objective_event")
    wanted = F.coalesce("objective_event", F.lit(PURCHASE))
    is_objective = F.when(F.col("campaign_id").isNotNull(), F.col("event_name") == wanted)
    return known.withColumn("is_objective", is_objective)
