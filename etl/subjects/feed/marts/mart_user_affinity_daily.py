"""One row per viewer and day with any activity: counts, dwell, and the sound with the most dwell.

The audio of a post is the one it had when it was shown. Ties go to the smallest id.
"""

from functools import reduce

from pyspark.sql import DataFrame, GroupedData, Window
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.model.privacy import PERSON
from etl.subjects.feed.columns import DWELL_MEASURES, columns
from etl.subjects.feed.dims import dim_posts
from etl.subjects.feed.facts import fct_dwell_per_impression, fct_engagements, fct_impressions
from etl.subjects.feed.measures import average_dwell, settle

TABLE = Table(
    name="mart_user_affinity_daily",
    layer=Layer.MARTS,
    columns=columns("viewer_id", "impressions", "engagements", "avg_dwell_ms", "top_audio_id", *DWELL_MEASURES, "day"),
    key=("viewer_id", "day"),
    write=Replace(),
    owner="personalisation",
    freshness="serving",
    partition=("day",),
    cluster=("viewer_id",),
    inputs=(
        Input(fct_impressions.TABLE, by="impression_hour"),
        Input(fct_engagements.TABLE, by="event_hour"),
        Input(fct_dwell_per_impression.TABLE, by="impression_hour"),
        Input(dim_posts.TABLE, as_of=True),
    ),
)
KEY = ["viewer_id", "day"]


def transform(
    fct_impressions: DataFrame,
    fct_engagements: DataFrame,
    fct_dwell_per_impression: DataFrame,
    dim_posts: DataFrame,
) -> DataFrame:
    """Facts of whole days and all versions of posts -> one row per viewer and day."""
    parts = [
        _per_day(fct_impressions, "impression_hour").agg(F.count("*").alias("impressions")),
        _per_day(settle(fct_engagements).where("settled"), "event_hour").agg(F.count("*").alias("engagements")),
        _per_day(fct_dwell_per_impression, "impression_hour").agg(
            F.sum("dwell_ms").alias("dwell_ms_sum"), F.count("*").alias("dwell_count")
        ),
    ]
    days = reduce(lambda a, b: a.join(b, KEY, "full_outer"), parts)
    return (
        days.join(_top_audio(fct_impressions, fct_dwell_per_impression, dim_posts), KEY, "left")
        .fillna(0, ["impressions", "engagements", *DWELL_MEASURES])
        .withColumn("avg_dwell_ms", average_dwell())
        .where(PERSON)
        .select(*TABLE.column_names)
    )


def _per_day(rows: DataFrame, hour: str) -> GroupedData:
    return rows.groupBy("viewer_id", F.to_date(hour).alias("day"))


def _top_audio(impressions: DataFrame, dwell: DataFrame, posts: DataFrame) -> DataFrame:
    """(viewer_id, day) -> top_audio_id, from the version of each post that held at impression_ts."""
    shown = impressions.select("impression_id", "impression_hour", "post_id", "impression_ts")
    versions = posts.where("audio_id IS NOT NULL").select("post_id", "audio_id", "valid_from", "valid_to")
    live = "impression_ts >= valid_from AND (valid_to IS NULL OR impression_ts < valid_to)"
    by_audio = (
        dwell.join(shown, ["impression_id", "impression_hour"])
        .join(versions, "post_id")
        .where(live)
        .groupBy("viewer_id", F.to_date("impression_hour").alias("day"), "audio_id")
        .agg(F.sum("dwell_ms").alias("dwell"))
    )
    longest = Window.partitionBy(*KEY).orderBy(F.desc("dwell"), "audio_id")
    ranked = by_audio.withColumn("_rank", F.row_number().over(longest)).where("_rank = 1")
    return ranked.select(*KEY, F.col("audio_id").alias("top_audio_id"))
