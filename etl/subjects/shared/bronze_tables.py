"""The bronze table of an event: one row per accepted record, typed, with the hour and the file it landed in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from etl.model.contract import Column, Event, Layer, Replace, Table
from etl.subjects.shared.columns import columns

if TYPE_CHECKING:  # the catalog is imported by commands that need no Spark
    from pyspark.sql import DataFrame

FACTS_DAYS = 30  # how long records of facts stay; change logs and invoices are kept for good


@cache
def bronze_table(event: Event) -> Table:
    """The contract of an event's bronze table. Nothing else says what it is."""
    return Table(
        name=f"bronze_{event.name}",
        layer=Layer.BRONZE,
        columns=(*bronze_fields(event), *columns("landed_hour", "source_file")),
        key=(),
        write=Replace(),
        owner="ingest",
        partition=("landed_hour",),
        event=event,
        retention_days=FACTS_DAYS if event.times else None,
    )


def bronze_fields(event: Event) -> tuple[Column, ...]:
    """An event's fields, those that a closing record may lack made nullable, and the hour minted into its id."""
    fields = tuple(f.optional() if f.name in event.optional_on_close else f for f in event.fields)
    return (*fields, event.snowflake_hour) if event.snowflake_hour else fields


def transform(records: DataFrame, table: Table) -> DataFrame:
    """Typed, accepted records with provenance -> bronze rows."""
    return records.select(*table.column_names)


def doc(event: Event) -> str:
    """What a row of an event's bronze table is."""
    first = f"One row per accepted record of `{event.name}`, typed, with the hour and the file it landed in."
    if event.times:
        return first
    return f"{first}\n\nKept for good: a late change can only slot into its place among all the others."
