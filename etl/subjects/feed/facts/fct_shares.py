"""One row per share: a new post that refers to the post it shares."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import DEDUP_WINDOW_DAYS, Input, InsertNew, Layer, Table
from etl.subjects.feed.columns import columns
from etl.subjects.feed.events import SHARES
from etl.subjects.shared.bronze_tables import bronze_table

TABLE = Table(
    name="fct_shares",
    layer=Layer.FACTS,
    columns=columns("share_id", "original_post_id", "shared_post_id", "viewer_id", "share_ts", "channel", "share_hour"),
    key=("share_id",),
    write=InsertNew(dedup_window_days=DEDUP_WINDOW_DAYS),
    owner="content",
    partition=("share_hour",),
    cluster=("viewer_id", "share_id"),
    inputs=(Input(bronze_table(SHARES)),),
    retention_days=30,
)


def transform(bronze_shares: DataFrame) -> DataFrame:
    """Bronze shares -> fact rows, duplicates not yet removed."""
    return bronze_shares.withColumn("share_hour", F.date_trunc("hour", "share_ts")).select(*TABLE.column_names)
