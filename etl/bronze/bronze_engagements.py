"""One row per accepted engagement record, typed, with the hour and the file it landed in."""

from pyspark.sql import DataFrame

from etl import events
from etl.columns import columns
from etl.contract import Layer, Table, WriteMode

TABLE = Table(
    name="bronze_engagements",
    layer=Layer.BRONZE,
    columns=(*events.ENGAGEMENTS.fields, *columns("impression_hour?", "landed_hour", "source_file")),
    key=(),
    write=WriteMode.REPLACE,
    owner="ingest",
    partition=("landed_hour",),
    event=events.ENGAGEMENTS,
    retention_days=30,
)


def transform(records: DataFrame) -> DataFrame:
    """Typed, accepted records with provenance -> bronze rows."""
    return records.select(*TABLE.column_names)
