"""One row per ranking model version, surface, position bucket, score bucket and hour of the impression.

It is the part of agg_ranker_position_daily that an hour adds, so that no run reads the facts of a whole day for it.
Engagements within the attribution window are credited to the impression they name, as in agg_ranker_hourly.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.feed.columns import DWELL_MEASURES, columns
from etl.subjects.feed.facts import fct_dwell_per_impression, fct_engagements, fct_impressions
from etl.subjects.feed.measures import ATTRIBUTION_HOURS, credit, dwell_measures

KEY = ("ranker_model_id", "surface", "position_bucket", "score_bucket")
REACTIONS = ("likes", "saves", "likes_given", "regrets", "negatives")
SUMS = ("impressions", "engaged_impressions", *REACTIONS, *DWELL_MEASURES, "predicted_score_sum")
POSITION_BUCKETS = (0, 1, 2, 3, 6, 11, 21)
"""The first position of each bucket. The last bucket has no end."""
ENGAGED = "likes + saves + shares + comments + follows > 0"

TABLE = Table(
    name="agg_ranker_position_hourly",
    layer=Layer.ROLLUPS,
    columns=columns(*KEY, *SUMS, "hour"),
    key=(*KEY, "hour"),
    write=Replace(),
    owner="ranking",
    partition=("hour",),
    cluster=("ranker_model_id",),
    inputs=(
        Input(fct_impressions.TABLE, by="impression_hour"),
        Input(fct_engagements.TABLE, by="impression_hour", behind_hours=1, ahead_hours=ATTRIBUTION_HOURS + 1),
        Input(fct_dwell_per_impression.TABLE, by="impression_hour"),
    ),
)


def position_bucket() -> Column:
    """The first position of the bucket of `feed_position`; a position before the first one is in the first bucket."""
    bucket = F.lit(POSITION_BUCKETS[0])
    for first in POSITION_BUCKETS[1:]:
        bucket = F.when(F.col("feed_position") >= first, first).otherwise(bucket)
    return bucket.cast("smallint").alias("position_bucket")


def score_bucket() -> Column:
    """The lower end of the bucket of `predicted_score`: 0.0, 0.1 … 0.9. Each cut point is in the bucket above it."""
    return F.expr("CAST(greatest(0, least(9, floor(predicted_score * 10))) / 10 AS DECIMAL(2,1))").alias("score_bucket")


def transform(fct_impressions: DataFrame, fct_engagements: DataFrame, fct_dwell_per_impression: DataFrame) -> DataFrame:
    """Facts of whole hours, and engagements of the hours around -> one row per model version, cell and hour."""
    hour = F.col("impression_hour").alias("hour")
    dwell = fct_dwell_per_impression.select("impression_id", "impression_hour", "dwell_ms")
    placed = fct_impressions.withColumns({"position_bucket": position_bucket(), "score_bucket": score_bucket()})
    seen = (
        placed.join(dwell, ["impression_id", "impression_hour"], "left")
        .groupBy(*KEY, hour)
        .agg(
            F.count("*").alias("impressions"),
            *dwell_measures(),
            F.sum("predicted_score").alias("predicted_score_sum"),
        )
    )
    stamp = placed.select("impression_id", "impression_ts", *KEY, hour)
    reacted = (
        credit(fct_engagements, stamp, [F.col("impression_id"), *map(F.col, KEY), F.col("hour")])
        .groupBy(*KEY, "hour")
        .agg(F.count_if(F.expr(ENGAGED)).alias("engaged_impressions"), *[F.sum(c).alias(c) for c in REACTIONS])
    )
    return (
        seen.join(reacted, [*KEY, "hour"], "left")
        .fillna(0, ["engaged_impressions", *REACTIONS])
        .select(*TABLE.column_names)
    )
