"""One row per campaign, day of its advertiser and event: conversions of the event, their value, and their ratios.

Only conversions that count are in it: received in time and no repeat. The event is the conversion's own (`purchase`,
`install`, `sign_up`, …), whatever the campaign is for. Clicks and spend are those of the campaign-day; they are in
mart_campaign_daily and not repeated here, because sums over events would count them several times.

event_conversions and event_organic are those of all campaigns of the advertiser. So credited conversions of all
campaigns and organic ones add up to all that count, which the audit checks.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.facts import fct_attributed_conversion
from etl.subjects.ads.marts import mart_campaign_daily
from etl.subjects.ads.measures import COUNTED, EAST_HOURS, PURCHASE, WEST_HOURS, event_ratios
from etl.transforms.ratios import null_reasons

TABLE = Table(
    name="mart_campaign_event_daily",
    layer=Layer.MARTS,
    columns=columns(
        "advertiser_id",
        "campaign_id",
        "event_name",
        "conversions_click",
        "conversions_view",
        "value_usd_sum",
        "value_click_usd",
        "value_view_usd",
        "cvr",
        "cpa",
        "roas",
        "null_reasons",
        "event_conversions",
        "event_organic",
        "day",
    ),
    key=("advertiser_id", "campaign_id", "event_name", "day"),
    write=Replace(),
    owner="ads",
    partition=("day",),
    cluster=("advertiser_id", "campaign_id", "event_name"),
    inputs=(
        Input(fct_attributed_conversion.TABLE, by="day", behind_hours=EAST_HOURS, ahead_hours=WEST_HOURS),
        Input(mart_campaign_daily.TABLE, by="day"),
    ),
)
EVENT = ["advertiser_id", "event_name", "day"]
CAMPAIGN = ["advertiser_id", "campaign_id", "day"]


def transform(fct_attributed_conversion: DataFrame, mart_campaign_daily: DataFrame) -> DataFrame:
    """Conversions of whole days in every time zone, and campaign-days -> one row per campaign, day and event."""
    counted = (
        fct_attributed_conversion.where(f"{COUNTED} AND advertiser_id IS NOT NULL")
        .withColumn("event_name", F.coalesce("event_name", F.lit(PURCHASE)))
        .withColumn("day", F.col("local_day"))
    )
    totals = counted.groupBy(*EVENT).agg(
        F.count("*").alias("event_conversions"), F.count_if(F.col("attribution") == "organic").alias("event_organic")
    )
    credited = counted.where("campaign_id IS NOT NULL").groupBy(*EVENT, "campaign_id")
    delivery = mart_campaign_daily.select(*CAMPAIGN, "ad_clicks", "spend_usd")
    return (
        credited.agg(*_count("click"), *_count("view"))
        .join(totals, EVENT)
        .join(delivery, CAMPAIGN, "left")
        .fillna(0, ["ad_clicks", "spend_usd"])
        .withColumn("value_usd_sum", F.expr("CAST(value_click_usd + value_view_usd AS DECIMAL(18,2))"))
        .withColumns(event_ratios("conversions_click + conversions_view"))
        .withColumn(
            "null_reasons",
            null_reasons(
                cvr=("ad_clicks", "no_clicks"),
                cpa=("conversions_click + conversions_view", "no_conversions"),
                roas=("spend_usd", "no_spend"),
            ),
        )
        .select(*TABLE.column_names)
    )


def _count(attribution: str) -> tuple[Column, Column]:
    """The conversions with credit for a click or a view, and their value."""
    value = F.expr(f"coalesce(sum(value_usd) FILTER (WHERE attribution = '{attribution}'), 0)").cast("DECIMAL(18,2)")
    return F.count_if(F.col("attribution") == attribution).alias(f"conversions_{attribution}"), value.alias(
        f"value_{attribution}_usd"
    )
