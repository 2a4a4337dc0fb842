"""One row per UTC day, region and device: sessions, their length, and how many led to a click and to a conversion.

A session counts in the day it started, also for conversions that happen in the seven days after the click. Repeats of
a conversion do not count. A missing region or device is
`unknown`.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.facts import fct_attributed_conversion, fct_user_session
from etl.subjects.ads.measures import DAY_US, SESSION_HOURS
from etl.transforms.ratios import exact_ratio

CVR_DAYS = 7
"""A session counts as converted by a conversion less than so many days after the click that earned it."""

TABLE = Table(
    name="agg_session_data",
    layer=Layer.ROLLUPS,
    columns=columns(
        "region",
        "device",
        "sessions",
        "session_ms_sum",
        "users",
        "users_ad_clicked",
        "clicks",
        "ad_clicks",
        "sessions_ad_clicked",
        "sessions_converted",
        "ctr_users",
        "ctr_clicks",
        "cvr",
        "day",
    ),
    key=("day", "region", "device"),
    write=Replace(),
    owner="ads",
    partition=("day",),
    cluster=("region", "device"),
    inputs=(
        Input(fct_user_session.TABLE, by="day"),
        Input(fct_attributed_conversion.TABLE, by="day", ahead_hours=SESSION_HOURS + 24 * CVR_DAYS),
    ),
)
SESSION = list(fct_user_session.TABLE.key)


def transform(fct_user_session: DataFrame, fct_attributed_conversion: DataFrame) -> DataFrame:
    """Sessions of whole days, and conversions of the week after -> one row per day, region and device."""
    soon = f"unix_micros(conversion_ts) - unix_micros(touch_ts) < {CVR_DAYS * DAY_US}"
    earned = fct_attributed_conversion.where("attribution = 'click' AND NOT coalesce(is_repeat, false)").where(soon)
    clicks = earned.select("user_id", "session_id", "touch_ts")
    candidates = fct_user_session.join(clicks, ["user_id", "session_id"])
    converted = candidates.where("touch_ts BETWEEN session_start AND session_end").select(*SESSION).distinct()
    sessions = fct_user_session.join(converted.withColumn("converted", F.lit(True)), SESSION, "left")
    cells = (
        sessions.fillna("unknown", ["region", "device"])
        .groupBy("day", "region", "device")
        .agg(
            F.count("*").alias("sessions"),
            F.sum(F.expr("unix_millis(session_end) - unix_millis(session_start)")).alias("session_ms_sum"),
            F.count_distinct("user_id").alias("users"),
            F.count_distinct(F.when(F.col("has_ad_clicked"), F.col("user_id"))).alias("users_ad_clicked"),
            F.sum("clicks").alias("clicks"),
            F.sum("ad_clicks").alias("ad_clicks"),
            F.count_if("has_ad_clicked").alias("sessions_ad_clicked"),
            F.count_if("converted").alias("sessions_converted"),
        )
    )
    rates = {
        "ctr_users": exact_ratio("users_ad_clicked", "users"),
        "ctr_clicks": exact_ratio("ad_clicks", "(clicks + ad_clicks)"),
        "cvr": exact_ratio("sessions_converted", "sessions_ad_clicked"),
    }
    return cells.withColumns(rates).select(*TABLE.column_names)
