"""One row per campaign and day of its advertiser: delivery, spend, conversions and their value.

A conversion counts in the day it happened. Conversions change the row for seven days after the end of the day; from
locked_from on the row is final. Value and ROAS exist in total, for the click window and for the view window.
Only conversions of the campaign's objective_event count here; mart_campaign_event_daily has every event.
Conversions received after the lock are only in fct_attributed_conversion, with is_in_time false. No rerun counts them;
only a restatement with a new rule does.
"""

from functools import reduce

from pyspark.sql import Column, DataFrame, GroupedData
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.facts import fct_ad_clicks, fct_ad_impressions, fct_attributed_conversion
from etl.subjects.ads.measures import COUNTED, EAST_HOURS, WEST_HOURS, event_ratios, locked_from, per_dollar
from etl.transforms.ratios import exact_ratio, null_reasons
from etl.transforms.sketches import HLL_LG_K, empty_sketch

COUNTS = ("impressions", "ad_clicks", "conversions_click", "conversions_view")
MONEY = ("spend_usd", "value_click_usd", "value_view_usd")

TABLE = Table(
    name="mart_campaign_daily",
    layer=Layer.MARTS,
    columns=columns(
        "advertiser_id",
        "campaign_id",
        "impressions",
        "reach_hll",
        "reach",
        "ad_clicks",
        "ctr",
        "cvr",
        "cpa",
        "spend_usd",
        "conversions_click",
        "conversions_view",
        "value_usd_sum",
        "value_click_usd",
        "value_view_usd",
        "roas",
        "roas_click",
        "roas_view",
        "locked_from",
        "null_reasons",
        "day",
    ),
    key=("advertiser_id", "campaign_id", "day"),
    write=Replace(),
    owner="ads",
    oldest_first=True,
    partition=("day",),
    cluster=("advertiser_id", "campaign_id"),
    inputs=(
        Input(fct_ad_impressions.TABLE, by="ad_impression_hour", behind_hours=EAST_HOURS, ahead_hours=WEST_HOURS),
        Input(fct_ad_clicks.TABLE, by="click_hour", behind_hours=EAST_HOURS, ahead_hours=WEST_HOURS),
        Input(fct_attributed_conversion.TABLE, by="day", behind_hours=EAST_HOURS, ahead_hours=WEST_HOURS),
    ),
    checksum_skips=("reach_hll", "reach"),  # an estimate that depends on the order of rows
)
KEY = ["advertiser_id", "campaign_id", "day"]


def transform(
    fct_ad_impressions: DataFrame, fct_ad_clicks: DataFrame, fct_attributed_conversion: DataFrame
) -> DataFrame:
    """Facts of whole days in every time zone -> one row per campaign and local day."""
    lock = F.max(locked_from("day")).alias("locked_from")
    shown = _by_campaign_day(fct_ad_impressions, "is_valid").agg(
        F.count("*").alias("impressions"),
        F.hll_sketch_agg("user_id", HLL_LG_K).alias("reach_hll"),
        F.expr("CAST(CAST(sum(spend_micros) AS DECIMAL(20,0)) * 0.000001 AS DECIMAL(18,6))").alias("spend_usd"),
        lock,
    )
    clicked = _by_campaign_day(fct_ad_clicks, "is_valid").agg(F.count("*").alias("ad_clicks"), lock)
    earned = _by_campaign_day(fct_attributed_conversion, f"{COUNTED} AND coalesce(is_objective, true)").agg(
        F.count_if(F.col("attribution") == "click").alias("conversions_click"),
        F.count_if(F.col("attribution") == "view").alias("conversions_view"),
        _value("click"),
        _value("view"),
        F.max("locked_from").alias("locked_from"),
    )
    days = reduce(_merge, (shown, clicked, earned))
    zeros = {name: F.coalesce(name, F.lit(0)) for name in (*COUNTS, *MONEY)}
    return (
        days.withColumns(zeros)
        .withColumn("reach_hll", F.coalesce("reach_hll", empty_sketch()))
        .withColumn("reach", F.hll_sketch_estimate("reach_hll"))
        .withColumn("value_usd_sum", F.expr("CAST(value_click_usd + value_view_usd AS DECIMAL(18,2))"))
        .withColumn("ctr", exact_ratio("ad_clicks", "impressions", places=7))
        .withColumns(event_ratios("conversions_click + conversions_view"))
        .withColumn("roas_click", per_dollar("value_click_usd"))
        .withColumn("roas_view", per_dollar("value_view_usd"))
        .withColumn("null_reasons", _null_reasons())
        .select(*TABLE.column_names)
    )


def _by_campaign_day(facts: DataFrame, condition: str) -> GroupedData:
    """Rows of known campaigns that meet the condition, grouped by campaign and local day."""
    known = facts.where(condition).where("campaign_id IS NOT NULL AND advertiser_id IS NOT NULL")
    return known.withColumn("day", F.col("local_day")).groupBy(*KEY)


def _value(attribution: str) -> Column:
    """The value of the conversions with credit for a click or for a view."""
    total = F.expr(f"sum(value_usd) FILTER (WHERE attribution = '{attribution}')")
    return total.cast("DECIMAL(18,2)").alias(f"value_{attribution}_usd")


def _null_reasons() -> Column:
    """Why ratios of a campaign-day are NULL."""
    spent = {name: ("spend_usd", "no_spend") for name in ("roas", "roas_click", "roas_view")}
    conversions = "conversions_click + conversions_view"
    return null_reasons(
        ctr=("impressions", "no_impressions"),
        cvr=("ad_clicks", "no_clicks"),
        cpa=(conversions, "no_conversions"),
        **spent,
    )


def _merge(one: DataFrame, other: DataFrame) -> DataFrame:
    """Full outer join by campaign-day. The later locked_from wins when a time zone changed during the day."""
    both = one.join(other.withColumnRenamed("locked_from", "_lock"), KEY, "full_outer")
    return both.withColumn("locked_from", F.greatest("locked_from", "_lock")).drop("_lock")
