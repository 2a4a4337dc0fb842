"""One row per accepted page event record, typed, with the hour and the file it landed in."""

from pyspark.sql import DataFrame

from etl import ads_events
from etl.columns import columns
from etl.contract import Layer, Table, WriteMode

TABLE = Table(
    name="bronze_page_events",
    layer=Layer.BRONZE,
    columns=(*ads_events.PAGE_EVENTS.fields, *columns("landed_hour", "source_file")),
    key=(),
    write=WriteMode.REPLACE,
    owner="ingest",
    partition=("landed_hour",),
    event=ads_events.PAGE_EVENTS,
    retention_days=30,
)


def transform(records: DataFrame) -> DataFrame:
    """Typed, accepted records with provenance -> bronze rows."""
    return records.select(*TABLE.column_names)
