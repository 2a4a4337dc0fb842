"""One row per station and day with at least one play."""

from etl.subjects.radio.columns import columns
from etl.subjects.radio.facts import fct_listens
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table

TABLE = Table(
    name="mart_station_daily",
    layer=Layer.MARTS,
    columns=columns("station_id", "plays", "seconds_sum", "listeners", "day"),
    key=("station_id", "day"),
    write=Replace(),
    owner="content",
    partition=("day",),
    cluster=("station_id",),
    inputs=(Input(fct_listens.TABLE, by="play_hour"),),
)


def transform(fct_listens: DataFrame) -> DataFrame:
    """Listens of whole days -> one row per station and day. A person counts once per day, not once per hour."""
    days = fct_listens.groupBy("station_id", F.to_date("play_hour").alias("day")).agg(
        F.sum("plays").alias("plays"),
        F.sum("seconds_sum").alias("seconds_sum"),
        F.count_distinct("user_id").alias("listeners"),
    )
    return days.select(*TABLE.column_names)
