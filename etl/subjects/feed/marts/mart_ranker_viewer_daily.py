"""One row per viewer, ranking model version and day of the impression: the input of ranker experiments.

An experiment assigns viewers to models, so a lift is computed over viewers, never over impressions. Engagements are
credited to the impression they name, as in agg_ranker_hourly. Reactions through a deep link are credited to no model.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.model.privacy import PERSON
from etl.subjects.feed.columns import DWELL_MEASURES, columns
from etl.subjects.feed.facts import fct_dwell_per_impression, fct_engagements, fct_impressions
from etl.subjects.feed.measures import ATTRIBUTION_HOURS, credit, dwell_measures

CREDITED = ("likes", "saves", "negatives", "likes_given", "regrets")

TABLE = Table(
    name="mart_ranker_viewer_daily",
    layer=Layer.MARTS,
    columns=columns(
        "viewer_id",
        "ranker_model_id",
        "impressions",
        "likes",
        "saves",
        "negatives",
        "likes_given?",
        "regrets",
        *DWELL_MEASURES,
        "first_impression_ts?",
        "day",
    ),
    key=("viewer_id", "ranker_model_id", "day"),
    write=Replace(),
    owner="ranking",
    partition=("day",),
    cluster=("ranker_model_id", "viewer_id"),
    inputs=(
        Input(fct_impressions.TABLE, by="impression_hour"),
        Input(fct_engagements.TABLE, by="impression_hour", behind_hours=1, ahead_hours=ATTRIBUTION_HOURS + 1),
        Input(fct_dwell_per_impression.TABLE, by="impression_hour"),
    ),
)
CELL = ["viewer_id", "ranker_model_id", "day"]


def transform(fct_impressions: DataFrame, fct_engagements: DataFrame, fct_dwell_per_impression: DataFrame) -> DataFrame:
    """Facts of whole days, and engagements of the hours after them -> one row per viewer, model version and day."""
    stamp = fct_impressions.select(
        "impression_id", "impression_hour", "impression_ts", "viewer_id", "ranker_model_id"
    ).withColumn("day", F.to_date("impression_hour"))
    dwell = fct_dwell_per_impression.select("impression_id", "impression_hour", "dwell_ms")
    seen = (
        stamp.join(dwell, ["impression_id", "impression_hour"], "left")
        .groupBy(*CELL)
        .agg(
            F.count("*").alias("impressions"),
            *dwell_measures(),
            F.min("impression_ts").alias("first_impression_ts"),
        )
    )
    credited = credit(fct_engagements, stamp, [F.col(c) for c in CELL])
    whole = seen.join(credited, CELL, "left").fillna({c: 0 for c in CREDITED})
    return whole.where(PERSON).select(*TABLE.column_names)
