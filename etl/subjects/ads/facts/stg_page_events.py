"""One row per page event, without duplicates. The grain is (user_id, session_id, event_name, event_ts)."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, InsertNew, Layer, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.events import PAGE_EVENTS
from etl.subjects.shared.bronze_tables import bronze_table

TABLE = Table(
    name="stg_page_events",
    layer=Layer.FACTS,
    columns=columns("user_id", "session_id", "event_name", "event_ts", "device?", "region?", "event_hour"),
    key=("user_id", "session_id", "event_name", "event_ts"),
    write=InsertNew(),
    owner="ads",
    partition=("event_hour",),
    cluster=("user_id", "session_id", "event_ts"),
    inputs=(Input(bronze_table(PAGE_EVENTS)),),
    retention_days=30,
)


def transform(bronze_page_events: DataFrame) -> DataFrame:
    """Bronze page events -> rows with the hour of the event, duplicates not yet removed."""
    return bronze_page_events.withColumn("event_hour", F.date_trunc("hour", "event_ts")).select(*TABLE.column_names)
