"""One row per ranking model version, surface, position bucket, score bucket and day of the impression.

Rows are summed from hours. Position and score decide how often people react, so models compare within their buckets.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.feed.columns import columns
from etl.subjects.feed.rollups import agg_ranker_position_hourly
from etl.subjects.feed.rollups.agg_ranker_position_hourly import KEY, SUMS

TABLE = Table(
    name="agg_ranker_position_daily",
    layer=Layer.ROLLUPS,
    columns=columns(*KEY, *SUMS, "day"),
    key=(*KEY, "day"),
    write=Replace(),
    owner="ranking",
    partition=("day",),
    cluster=("ranker_model_id",),
    inputs=(Input(agg_ranker_position_hourly.TABLE, by="hour"),),
)


def transform(agg_ranker_position_hourly: DataFrame) -> DataFrame:
    """Hourly rows of whole days -> one row per model version, cell and day."""
    return (
        agg_ranker_position_hourly.groupBy(*KEY, F.to_date("hour").alias("day"))
        .agg(*[F.sum(name).alias(name) for name in SUMS])
        .select(*TABLE.column_names)
    )
