"""One row per post and hour with at least one count above 0.

Impressions and dwell count in the hour of the impression, engagements in the hour of the event.

Each source is aggregated to the grain before the join, so no impression is counted once per reaction.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.feed.columns import DWELL_MEASURES, ENGAGEMENT_COLUMNS, ENGAGEMENT_MEASURES, columns
from etl.subjects.feed.facts import fct_dwell_per_impression, fct_engagements, fct_impressions
from etl.subjects.feed.measures import engagement_measures, impression_measures, settle
from etl.transforms.sketches import empty_sketch

TABLE = Table(
    name="agg_post_engagement_hourly",
    layer=Layer.ROLLUPS,
    columns=columns("post_id", "impressions", "reach_hll", *ENGAGEMENT_COLUMNS, "full_views", *DWELL_MEASURES, "hour"),
    key=("post_id", "hour"),
    write=Replace(),
    owner="content",
    freshness="serving",
    partition=("hour",),
    cluster=("post_id",),
    inputs=(
        Input(fct_impressions.TABLE, by="impression_hour"),
        Input(fct_engagements.TABLE, by="event_hour"),
        Input(fct_dwell_per_impression.TABLE, by="impression_hour"),
    ),
    checksum_skips=("reach_hll",),
)


def transform(fct_impressions: DataFrame, fct_engagements: DataFrame, fct_dwell_per_impression: DataFrame) -> DataFrame:
    """Facts of whole hours -> one row per post and hour."""
    dwell = fct_dwell_per_impression.select("impression_id", "impression_hour", "dwell_ms", "was_full_view")
    seen = (
        fct_impressions.join(dwell, ["impression_id", "impression_hour"], "left")
        .groupBy("post_id", F.col("impression_hour").alias("hour"))
        .agg(*impression_measures())
    )
    acted = settle(fct_engagements).groupBy("post_id", F.col("event_hour").alias("hour")).agg(*engagement_measures())
    zeros: dict[str, bool | float | int | str] = {
        c: 0 for c in ("impressions", "full_views", *ENGAGEMENT_MEASURES, *DWELL_MEASURES)
    }
    return (
        seen.join(acted, ["post_id", "hour"], "full_outer")
        .fillna(zeros)
        .where(" + ".join(zeros) + " > 0")
        .withColumn("reach_hll", F.coalesce("reach_hll", empty_sketch()))
        .select(*TABLE.column_names)
    )
