"""One row per accepted spend ledger record, typed, with the hour and the file it landed in.

Invoices are kept for good.
"""

from pyspark.sql import DataFrame

from etl import ads_events
from etl.columns import columns
from etl.contract import Layer, Table, WriteMode

TABLE = Table(
    name="bronze_spend_ledger",
    layer=Layer.BRONZE,
    columns=(*ads_events.SPEND_LEDGER.fields, *columns("landed_hour", "source_file")),
    key=(),
    write=WriteMode.REPLACE,
    owner="ingest",
    partition=("landed_hour",),
    event=ads_events.SPEND_LEDGER,
)


def transform(records: DataFrame) -> DataFrame:
    """Typed, accepted records with provenance -> bronze rows."""
    return records.select(*TABLE.column_names)
