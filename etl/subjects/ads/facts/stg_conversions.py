"""One row per conversion, once however often it was told of, in the hour it happened.

Of records of one conversion with other times or values, the first to land stands, however far apart they are.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, InsertNew, Layer, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.events import CONVERSIONS
from etl.subjects.shared.bronze_tables import bronze_table

TABLE = Table(
    name="stg_conversions",
    layer=Layer.FACTS,
    columns=columns("conversion_id", "user_id", "conversion_ts", "value_usd", "received_ts", "conversion_hour"),
    key=("conversion_id",),
    write=InsertNew(dedup_window_days=30),
    owner="ads",
    partition=("conversion_hour",),
    cluster=("user_id", "conversion_id"),
    inputs=(Input(bronze_table(CONVERSIONS)),),
    retention_days=30,
)


def transform(bronze_conversions: DataFrame) -> DataFrame:
    """Bronze conversions -> rows in the hour they happened in, repeats not yet removed."""
    return bronze_conversions.withColumn("conversion_hour", F.date_trunc("hour", "conversion_ts")).select(
        *TABLE.column_names
    )
