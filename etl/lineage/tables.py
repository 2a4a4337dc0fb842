"""The lineage of every table, computed from its transform on empty inputs. It is exact and needs no data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from etl import catalog
from etl.catalog import Entry
from etl.conf import Settings
from etl.engine.jobs import ddl
from etl.engine.landing import records
from etl.lineage.flow import ROWS, Lineage, Source, compose
from etl.lineage.plan import empty_input, lineage
from etl.model.contract import Column, Event, MergeAggregate, Table
from etl.subjects.shared.columns import columns

VALUE = "value"
PROVENANCE = columns("landed_hour", "source_file")


@dataclass(frozen=True)
class Edge:
    """A dependency: `to` (a column, or the rows) changes with `source`. `how` is `value` or the kind of influence."""

    source: Source
    to: Source
    how: str


def landed(event: Event) -> str:
    """The name of an event's records in lineage."""
    return f"landing.{event.name}"


def landed_columns(event: Event) -> tuple[Column, ...]:
    """The columns of a landed record: its fields, its landed hour and its file, and its text when it is used."""
    return (*event.fields, *PROVENANCE, *(columns("raw") if event.keeps_unknown else ()))


def of_all_tables(spark: SparkSession, settings: Settings) -> dict[str, Lineage]:
    """The lineage of every table by name, inputs first. Quarantine stores records as text and has no lineage."""
    found = {}
    for name, entry in catalog.entries().items():
        if entry.table.inputs or entry.table.event:
            found[name] = of_table(spark, settings, entry)
    return found


def of_table(spark: SparkSession, settings: Settings, entry: Entry) -> Lineage:
    """The lineage of one table. For MergeAggregate, it includes the function that combines a batch with the table."""
    table = entry.table
    own = lineage(ddl.conform(entry.transform(**empty_inputs(spark, settings, table)), table))
    if not isinstance(table.write, MergeAggregate):
        return own
    existing, batch = (empty_input(spark, table.name, ddl.schema(table)) for _ in range(2))
    return compose(lineage(ddl.conform(table.write.combine(existing, batch), table)), own, table.name)


def empty_inputs(spark: SparkSession, settings: Settings, table: Table) -> dict[str, DataFrame]:
    """Parameter of `transform` -> an empty input that is recognized in a plan."""
    if table.event is None:
        sources = {name: source.table for name, source in table.sources.items()}
        return {name: empty_input(spark, each.name, ddl.schema(each)) for name, each in sources.items()}
    fields = ", ".join(f"`{c.name}` {c.type}" for c in landed_columns(table.event))
    given = empty_input(spark, landed(table.event), fields)
    return {"records": records.enrich(given, table.event, settings)}


def edges(found: dict[str, Lineage]) -> Iterator[Edge]:
    """Every dependency between two tables, inputs first; for each column, values before influences."""
    for name, lineage_of_table in found.items():
        for column, flow in lineage_of_table.columns.items():
            target = Source(name, column)
            yield from (Edge(source, target, VALUE) for source in sorted(flow.value))
            yield from (Edge(source, target, how) for how, source in sorted(flow.through))
        yield from (Edge(source, Source(name, ROWS), how) for how, source in sorted(lineage_of_table.rows))
