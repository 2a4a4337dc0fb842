"""One row per user, session and day it began: when it began and ended, what was clicked in it.

A session lies in the UTC day it began, however far it runs into the next, and is made of page events and valid ad
clicks. It lasts six hours at most: what its id does in the first six hours of a day is the day before's if the id was
seen in the last six of that, else a session of the new day. An id that lives longer so has a row a day, and every row
is the same whichever days are made together.
"""

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.facts import fct_ad_clicks, stg_page_events
from etl.subjects.ads.measures import SESSION_HOURS

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
    retention_days=30,
)
EVENT = ("user_id", "session_id", "at", "event_name", "device", "region", "ad_id")


def transform(stg_page_events: DataFrame, fct_ad_clicks: DataFrame) -> DataFrame:
    """Page events and clicks of whole days and the hours around -> sessions, those of the days around too."""
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
            _first_told("device"),
            _first_told("region"),
        )
    )
    return sessions.withColumn("has_ad_clicked", F.col("ad_clicks") > 0).select(*TABLE.column_names)


def _by_day(events: DataFrame) -> DataFrame:
    """Events with the `day` their session began; only what a run for that day alone reads can change it.

    `_midnight` is the day that begins within six hours of an event, or began up to eighteen hours ago.
    """
    around = Window.partitionBy("user_id", "session_id", "_midnight")
    return (
        events.repartition("user_id", "session_id")
        .withColumn("_midnight", F.expr(f"to_date(at + INTERVAL {SESSION_HOURS} HOURS)"))
        .withColumn("_runs_over", F.to_date(F.min("at").over(around)) < F.col("_midnight"))
        .withColumn("day", F.expr(f"date_sub(to_date(at), INT(_runs_over AND hour(at) < {SESSION_HOURS}))"))
    )


def _first_told(name: str) -> Column:
    """The earliest value told; of several at one instant the first by the alphabet."""
    return F.min_by(name, F.when(F.col(name).isNotNull(), F.struct("at", name))).alias(name)
