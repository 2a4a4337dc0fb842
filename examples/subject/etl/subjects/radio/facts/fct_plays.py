"""One row per play of a station."""

from etl.subjects.radio.columns import columns
from etl.subjects.radio.dims import dim_stations
from etl.subjects.radio.events import PLAYS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import DEDUP_WINDOW_DAYS, Input, InsertNew, Layer, Reference, Table
from etl.subjects.shared.bronze_tables import bronze_table

TABLE = Table(
    name="fct_plays",
    layer=Layer.FACTS,
    columns=columns("play_id", "user_id", "station_id", "seconds", "play_ts", "play_hour"),
    key=("play_id",),
    write=InsertNew(DEDUP_WINDOW_DAYS),
    owner="content",
    partition=("play_hour",),
    cluster=("user_id", "play_id"),
    inputs=(Input(bronze_table(PLAYS)),),
    references=(Reference("station_id", dim_stations.TABLE, "station_id", at="play_ts"),),
    retention_days=30,
)


def transform(bronze_plays: DataFrame) -> DataFrame:
    """Bronze plays -> fact rows, duplicates not yet removed."""
    return bronze_plays.withColumn("play_hour", F.date_trunc("hour", "play_ts")).select(*TABLE.column_names)
