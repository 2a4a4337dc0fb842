"""One row per user, session and day it started: its start, its end and its clicks.

A session consists of page events and valid ad clicks. It belongs to the UTC day it started, even when it continues into
the next day. A session is at most six hours long. Events in the first six hours of a day belong to the day before when
the same session id was active in the last six hours of that day; otherwise they start a session of the new day. So a
session id that is used for longer has one row per day. A row does not depend on which days are computed together.
"""

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.facts import fct_ad_clicks, stg_page_events
from etl.subjects.ads.measures import CLICKS_DAYS, SESSION_HOURS

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
    key=("user_id", "session_id", "day"),
    write=Replace(),
    owner="ads",
    partition=("day",),
    cluster=("user_id", "session_id"),
    inputs=(
        Input(stg_page_events.TABLE, by="event_hour", behind_hours=SESSION_HOURS, ahead_hours=SESSION_HOURS),
        Input(fct_ad_clicks.TABLE, by="click_hour", behind_hours=SESSION_HOURS, ahead_hours=SESSION_HOURS),
    ),
    retention_days=CLICKS_DAYS,
)
EVENT = ("user_id", "session_id", "at", "event_name", "device", "region", "ad_id")


def transform(stg_page_events: DataFrame, fct_ad_clicks: DataFrame) -> DataFrame:
    """Page events and clicks of whole days and the hours around them -> sessions, including some of the days around."""
    pages = stg_page_events.withColumn("at", F.col("event_ts")).withColumn("ad_id", F.lit(None).cast("bigint"))
    clicks = fct_ad_clicks.where("is_valid").withColumn("at", F.col("click_ts"))
    on_ads = clicks.withColumn("event_name", F.lit(None).cast("string"))
    events = reduce(DataFrame.unionByName, [f.select(*EVENT) for f in (pages, on_ads)])
    sessions = (
        _by_day(events)
        .groupBy("user_id", "session_id", "day")
        .agg(
            F.min("at").alias("session_start"),
            F.max("at").alias("session_end"),
            F.count("event_name").alias("page_events"),
            F.count_if(F.col("event_name") == "click").alias("clicks"),
            F.count("ad_id").alias("ad_clicks"),
            F.count_distinct("ad_id").alias("distinct_ads"),
            _first_value("device"),
            _first_value("region"),
        )
    )
    return sessions.withColumn("has_ad_clicked", F.col("ad_clicks") > 0).select(*TABLE.column_names)


def _by_day(events: DataFrame) -> DataFrame:
    """Add `day`, the day the session of an event started. It depends only on events that a run for that day reads.

    `_midnight` is the day that starts within six hours after an event, or started up to eighteen hours before it.
    """
    around = Window.partitionBy("user_id", "session_id", "_midnight")
    return (
        events.repartition("user_id", "session_id")
        .withColumn("_midnight", F.expr(f"to_date(at + INTERVAL {SESSION_HOURS} HOURS)"))
        .withColumn("_runs_over", F.to_date(F.min("at").over(around)) < F.col("_midnight"))
        .withColumn("day", F.expr(f"date_sub(to_date(at), INT(_runs_over AND hour(at) < {SESSION_HOURS}))"))
    )


def _first_value(name: str) -> Column:
    """The earliest value that is not NULL; of several at the same time, the alphabetically first."""
    return F.min_by(name, F.when(F.col(name).isNotNull(), F.struct("at", name))).alias(name)
