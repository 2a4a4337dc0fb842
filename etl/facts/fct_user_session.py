"""One row per user and session: when it began and ended, what was clicked in it.

A session lies in the UTC day it began, however far it runs into the next, and is made of the page events and the valid
ad clicks within six hours: an id that lives longer is not one session.
"""

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.ads_measures import SESSION_HOURS
from etl.columns import columns
from etl.contract import Input, Layer, Table, WriteMode
from etl.facts import fct_ad_clicks, stg_page_events

TABLE = Table(
    name="fct_user_session",
    layer=Layer.FACTS,
    columns=columns(
        "user_id",
        "session_id",
        "session_start",
        "session_end",
        "page_events",
        "clicks",
        "ad_clicks",
        "distinct_ads",
        "has_ad_clicked",
        "device?",
        "region?",
        "day",
    ),
    key=("user_id", "session_id"),
    write=WriteMode.REPLACE,
    owner="ads",
    partition=("day",),
    cluster=("user_id", "session_id"),
    inputs=(
        Input(stg_page_events.TABLE, by="event_hour", behind_hours=SESSION_HOURS, ahead_hours=SESSION_HOURS),
        Input(fct_ad_clicks.TABLE, by="click_hour", behind_hours=SESSION_HOURS, ahead_hours=SESSION_HOURS),
    ),
    retention_days=30,
)
EVENT = ("user_id", "session_id", "at", "event_name", "device", "region", "ad_id")


def transform(stg_page_events: DataFrame, fct_ad_clicks: DataFrame) -> DataFrame:
    """Page events and clicks of whole days and the hours around -> sessions, those of the days around too."""
    pages = stg_page_events.withColumn("at", F.col("event_ts")).withColumn("ad_id", F.lit(None).cast("bigint"))
    clicks = fct_ad_clicks.where("is_valid").withColumn("at", F.col("click_ts"))
    on_ads = clicks.withColumn("event_name", F.lit(None).cast("string"))
    events = reduce(DataFrame.unionByName, [f.select(*EVENT) for f in (pages, on_ads)])
    sessions = events.groupBy("user_id", "session_id").agg(
        F.min("at").alias("session_start"),
        F.max("at").alias("session_end"),
        F.count("event_name").alias("page_events"),
        F.count_if(F.col("event_name") == "click").alias("clicks"),
        F.count("ad_id").alias("ad_clicks"),
        F.count_distinct("ad_id").alias("distinct_ads"),
        _first_told("device"),
        _first_told("region"),
    )
    return (
        sessions.withColumn("has_ad_clicked", F.col("ad_clicks") > 0)
        .withColumn("day", F.to_date("session_start"))
        .select(*TABLE.column_names)
    )


def _first_told(name: str) -> Column:
    """The earliest value told; of several at one instant the first by the alphabet."""
    return F.min_by(name, F.when(F.col(name).isNotNull(), F.struct("at", name))).alias(name)
