"""One row per conversion, without duplicates, in the hour it happened.

When records of one conversion have different times or values, the one that landed first is kept, however many days
apart they are.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, InsertNew, Layer, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.events import CONVERSIONS
from etl.subjects.ads.measures import CONVERSIONS_DAYS
from etl.subjects.shared.bronze_tables import bronze_table

TABLE = Table(
    name="stg_conversions",
    layer=Layer.FACTS,
    columns=columns(
        "conversion_id",
        "advertiser_id?",
        "event_name?",
        "source?",
        "dedup_key?",
        "user_id?",
        "conversion_ts",
        "value_usd?",
        "received_ts",
        "sdk_version?",
        "conversion_hour",
    ),
    key=("conversion_id",),
    write=InsertNew(dedup_window_days=CONVERSIONS_DAYS),
    owner="ads",
    partition=("conversion_hour",),
    cluster=("user_id", "conversion_id"),
    inputs=(Input(bronze_table(CONVERSIONS)),),
    retention_days=CONVERSIONS_DAYS,
)


def transform(bronze_conversions: DataFrame) -> DataFrame:
    """Bronze conversions -> rows with the hour of the conversion, duplicates not yet removed."""
    return bronze_conversions.withColumn("conversion_hour", F.date_trunc("hour", "conversion_ts")).select(
        *TABLE.column_names
    )
