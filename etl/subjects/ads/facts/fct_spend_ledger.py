"""One row per campaign and billed day of the advertiser: the invoice and the streaming counter.

Of two invoices for one day, the one that landed first is kept; the other one stays in bronze. The partition of an
InsertNew table must be an hour, so it is day_start, midnight of the day.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, InsertNew, Layer, Table
from etl.model.work_class import WorkClass
from etl.subjects.ads.columns import columns
from etl.subjects.ads.events import SPEND_LEDGER
from etl.subjects.shared.bronze_tables import bronze_table

TABLE = Table(
    name="fct_spend_ledger",
    layer=Layer.FACTS,
    columns=columns("campaign_id", "billed_usd", "streaming_usd?", "day", "day_start"),
    key=("campaign_id", "day"),
    write=InsertNew(),
    owner="billing",
    urgency=WorkClass.BILLING,
    partition=("day_start",),
    cluster=("campaign_id",),
    inputs=(Input(bronze_table(SPEND_LEDGER)),),
)


def transform(bronze_spend_ledger: DataFrame) -> DataFrame:
    """Bronze invoices -> fact rows, duplicates not yet removed."""
    return bronze_spend_ledger.withColumn("day_start", F.col("day").cast("timestamp")).select(*TABLE.column_names)
