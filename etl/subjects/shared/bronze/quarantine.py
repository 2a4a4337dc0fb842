"""One row per landed record (or unreadable file) that was not accepted, with all reasons."""

from pyspark.sql import DataFrame

from etl.model.contract import Layer, Replace, Table
from etl.subjects.shared.columns import columns

TABLE = Table(
    name="quarantine",
    layer=Layer.BRONZE,
    columns=columns("event", "landed_hour", "source_file", "raw", "reasons"),
    key=(),
    write=Replace(),
    owner="ingest",
    partition=("event", "landed_hour"),
    retention_days=30,
)


def transform(rejected: DataFrame) -> DataFrame:
    """Rejected records with their reasons -> quarantine rows."""
    return rejected.select(*TABLE.column_names)
