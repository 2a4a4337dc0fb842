"""One row per ranking model version, surface and hour of the impression.

Engagements within the attribution window are credited to the impression they name, whichever hour they happen in.
impression_ts may differ from the time in impression_id by some seconds, so an engagement may happen shortly before the
hour in the id.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.feed.columns import DWELL_MEASURES, ENGAGEMENT_COLUMNS, ENGAGEMENT_MEASURES, columns
from etl.subjects.feed.facts import fct_dwell_per_impression, fct_engagements, fct_impressions
from etl.subjects.feed.measures import ATTRIBUTION_HOURS, credit, impression_measures

TABLE = Table(
    name="agg_ranker_hourly",
    layer=Layer.ROLLUPS,
    columns=columns(
        "ranker_model_id",
        "surface",
        "impressions",
        "reach_hll",
        *ENGAGEMENT_COLUMNS,
        "full_views",
        *DWELL_MEASURES,
        "hour",
    ),
    key=("ranker_model_id", "surface", "hour"),
    write=Replace(),
    owner="ranking",
    partition=("hour",),
    cluster=("ranker_model_id",),
    inputs=(
        Input(fct_impressions.TABLE, by="impression_hour"),
        Input(fct_engagements.TABLE, by="impression_hour", behind_hours=1, ahead_hours=ATTRIBUTION_HOURS + 1),
        Input(fct_dwell_per_impression.TABLE, by="impression_hour"),
    ),
    checksum_skips=("reach_hll",),
)


def transform(fct_impressions: DataFrame, fct_engagements: DataFrame, fct_dwell_per_impression: DataFrame) -> DataFrame:
    """Facts of whole hours, and engagements of the hours around -> one row per model version, surface and hour."""
    cell = [F.col("ranker_model_id"), F.col("surface"), F.col("impression_hour").alias("hour")]
    dwell = fct_dwell_per_impression.select("impression_id", "impression_hour", "dwell_ms", "was_full_view")
    seen = (
        fct_impressions.join(dwell, ["impression_id", "impression_hour"], "left")
        .groupBy(*cell)
        .agg(*impression_measures())
    )
    stamp = fct_impressions.select("impression_id", "ranker_model_id", "surface", "impression_hour", "impression_ts")
    credited = credit(fct_engagements, stamp, cell)
    return (
        seen.join(credited, ["ranker_model_id", "surface", "hour"], "left")
        .fillna({c: 0 for c in ENGAGEMENT_MEASURES})
        .select(*TABLE.column_names)
    )
