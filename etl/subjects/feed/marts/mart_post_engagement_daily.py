"""One row per post and day with impressions: settled rates, reach and dwell.

Rows are merged from hourly rollups (sketches are unioned), never computed from facts. A post-day without impressions
has no denominator for rates, so it has no row.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.feed.columns import DWELL_MEASURES, ENGAGEMENT_COLUMNS, ENGAGEMENT_MEASURES, columns
from etl.subjects.feed.measures import average_dwell, sum_measure
from etl.subjects.feed.rollups import agg_post_engagement_hourly
from etl.transforms.ratios import half_up_ratio

RATES = {"like_rate": "likes", "save_rate": "saves", "share_rate": "shares", "negative_rate": "negatives"}

TABLE = Table(
    name="mart_post_engagement_daily",
    layer=Layer.MARTS,
    columns=columns(
        "post_id",
        "impressions",
        "reach_hll",
        "reach",
        *RATES,
        "avg_dwell_ms",
        *ENGAGEMENT_COLUMNS,
        *DWELL_MEASURES,
        "day",
    ),
    key=("post_id", "day"),
    write=Replace(),
    owner="content",
    partition=("day",),
    cluster=("post_id",),
    inputs=(Input(agg_post_engagement_hourly.TABLE, by="hour"),),
    checksum_skips=("reach_hll", "reach"),  # an estimate that depends on the order of rows
)


def transform(agg_post_engagement_hourly: DataFrame) -> DataFrame:
    """Hourly rows of whole days -> one row per post and day."""
    sums = [sum_measure(c) for c in ("impressions", *ENGAGEMENT_MEASURES, *DWELL_MEASURES)]
    days = (
        agg_post_engagement_hourly.groupBy("post_id", F.to_date("hour").alias("day"))
        .agg(F.hll_union_agg("reach_hll").alias("reach_hll"), *sums)
        .where("impressions > 0")
    )
    for rate, count in RATES.items():
        days = days.withColumn(rate, half_up_ratio(count, "impressions", 5, "DECIMAL(7,5)", "99.99999"))
    return (
        days.withColumn("reach", F.hll_sketch_estimate("reach_hll"))
        .withColumn("avg_dwell_ms", average_dwell())
        .select(*TABLE.column_names)
    )
