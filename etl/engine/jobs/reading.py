"""Reads and counts the records of landed hours, before anything is published."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from etl.engine.delta import checksums
from etl.engine.jobs.run_context import RunContext
from etl.engine.landing import faults, records
from etl.engine.landing import reader as landing
from etl.engine.landing.reader import Landed
from etl.engine.spark.files import LandedFile
from etl.model.contract import Event, MergeAggregate, Table
from etl.telemetry import spans

BadFile = tuple[datetime, LandedFile]


@dataclass(frozen=True)
class Reading:
    """The records of some landed hours, read but not yet published.

    event: the event of the records. hours: the landed hours with their readable files. bad_files: files that cannot be
    read. records: all records of the readable files. record_counts: landed hour -> records. accepted_counts: landed
    hour -> accepted records; None when the staged rows give this number. new_fields: name of a field that the event
    does not have -> records that have it, estimated from a sample.
    """

    event: Event
    hours: list[Landed]
    bad_files: list[BadFile]
    records: DataFrame
    record_counts: dict[datetime, int]
    accepted_counts: dict[datetime, int] | None
    new_fields: dict[str, int]


@spans.span("read")
def read(context: RunContext, table: Table, hours: list[Landed], bad_files: list[BadFile]) -> Reading:
    """Read and count the records of some landed hours. A file of an unknown format is a bad file."""
    assert table.event
    unknown = [(landed.hour, f) for landed in hours for f in landed.files if not landing.known(f)]
    readable = without(hours, unknown)
    rows = landing.read(context.spark, context.settings, table.event, readable)
    record_counts, accepted_counts, new_fields = _count(context, table, table.event, rows, readable)
    return Reading(table.event, readable, bad_files + unknown, rows, record_counts, accepted_counts, new_fields)


def _count(
    context: RunContext, table: Table, event: Event, rows: DataFrame, hours: list[Landed]
) -> tuple[dict[datetime, int], dict[datetime, int] | None, dict[str, int]]:
    """Count records by landed hour: all of them, and the accepted ones; and count records by unknown field.

    The second is None where one accepted record is one staged row. A MergeAggregate table has fewer rows than records.
    """
    is_merged = isinstance(table.write, MergeAggregate)
    unknown = F.when(F.size("_unknown") > 0, F.col("_unknown"))
    counts = [F.count("*").alias("read"), F.count("_unknown").alias("searched"), F.collect_list(unknown).alias("names")]
    if is_merged:
        counts.append(F.count_if(~faults.is_bad(event, context.settings)).alias("accepted"))
    found = {checksums.as_hour(r["landed_hour"]): r for r in rows.groupBy("landed_hour").agg(*counts).collect()}
    record_counts = {each.hour: found[each.hour]["read"] if each.hour in found else 0 for each in hours}
    accepted_counts = {hour: row["accepted"] for hour, row in found.items()} if is_merged else None
    return record_counts, accepted_counts, _new_fields(list(found.values()))


def _new_fields(hours: list[Row]) -> dict[str, int]:
    """Unknown field -> records that have it, of the most frequent ones. hours: read, searched, names by landed hour."""
    found: Counter[str] = Counter()
    for row in hours:
        in_sample = Counter(name for names in row["names"] for name in names)
        found.update({name: round(n * row["read"] / row["searched"]) for name, n in in_sample.items()})
    return dict(found.most_common(records.MAX_NEW_FIELDS))


def without(hours: list[Landed], bad_files: list[BadFile]) -> list[Landed]:
    """The same landed hours without the bad files."""
    bad = {file for _, file in bad_files}
    return [Landed(landed.hour, tuple(f for f in landed.files if f not in bad)) for landed in hours]
