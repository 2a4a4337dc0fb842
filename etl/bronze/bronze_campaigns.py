"""One row per accepted campaign change record, typed, with the hour and the file it landed in.

The log is kept for good: a late change can only slot into its place among all the others.
"""

from pyspark.sql import DataFrame

from etl import ads_events
from etl.columns import bronze_fields, columns
from etl.contract import Layer, Table, WriteMode

TABLE = Table(
    name="bronze_campaigns",
    layer=Layer.BRONZE,
    columns=(*bronze_fields(ads_events.CAMPAIGNS), *columns("landed_hour", "source_file")),
    key=(),
    write=WriteMode.REPLACE,
    owner="ingest",
    partition=("landed_hour",),
    event=ads_events.CAMPAIGNS,
)


def transform(records: DataFrame) -> DataFrame:
    """Typed, accepted records with provenance -> bronze rows."""
    return records.select(*TABLE.column_names)
