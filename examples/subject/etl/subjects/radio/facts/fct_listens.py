"""One row per person, station and hour with at least one play: how often and how long the person listened."""

from etl.subjects.radio.columns import columns
from etl.subjects.radio.facts import fct_plays
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table

TABLE = Table(
    name="fct_listens",
    layer=Layer.FACTS,
    columns=columns("user_id", "station_id", "plays", "seconds_sum", "play_hour"),
    key=("user_id", "station_id", "play_hour"),
    write=Replace(),
    owner="content",
    partition=("play_hour",),
    cluster=("user_id", "station_id"),
    inputs=(Input(fct_plays.TABLE, by="play_hour"),),
    retention_days=30,
)


def transform(fct_plays: DataFrame) -> DataFrame:
    """Plays of whole hours -> one row per person, station and hour."""
    counted = fct_plays.groupBy("user_id", "station_id", "play_hour").agg(
        F.count("*").alias("plays"), F.sum("seconds").alias("seconds_sum")
    )
    return counted.select(*TABLE.column_names)
