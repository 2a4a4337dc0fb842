"""One row per campaign and day of the advertiser that was billed: the invoice, and the streaming counter beside it.

Of two invoices for one day the first to land stands; the other is in bronze. Rows are inserted by the hour they landed
in, so the partition is an hour too: the one the day begins with.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, InsertNew, Layer, Table
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
    partition=("day_start",),
    cluster=("campaign_id",),
    inputs=(Input(bronze_table(SPEND_LEDGER)),),
)


def transform(bronze_spend_ledger: DataFrame) -> DataFrame:
    """Bronze invoices -> fact rows, repeats not yet removed."""
    return bronze_spend_ledger.withColumn("day_start", F.col("day").cast("timestamp")).select(*TABLE.column_names)
