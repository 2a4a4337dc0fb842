"""The bronze table of an event: one row per accepted record, typed, with the hour and the file it landed in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from etl.model.contract import EXTRA, Column, Event, Layer, Replace, Table
from etl.subjects.shared.columns import columns

if TYPE_CHECKING:  # the catalog is imported by commands that need no Spark
    from pyspark.sql import DataFrame

FACTS_DAYS = 30  # retention of fact records; change logs and invoices are kept forever


@cache
def bronze_table(event: Event) -> Table:
    """The contract of the bronze table of an event. It is derived from the event alone."""
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
    """The fields of an event (nullable when optional on close), the hour of its snowflake id, and `_extra`."""
    fields = tuple(f.optional() if f.name in event.optional_on_close else f for f in event.fields)
    extra = columns(EXTRA) if event.keeps_unknown else ()
    return (*fields, *((event.snowflake_hour,) if event.snowflake_hour else ()), *extra)


def transform(records: DataFrame, table: Table) -> DataFrame:
    """Typed, accepted records with landed_hour and source_file -> bronze rows."""
    return records.select(*table.column_names)


def doc(event: Event) -> str:
    """The module docstring that a written bronze table would have: what one row is."""
    first = f"One row per accepted record of `{event.name}`, typed, with the hour and the file it landed in."
    if event.times:
        return first
    return f"{first}\n\nRows are kept forever: a late-arriving change takes its place among all changes of its key."
