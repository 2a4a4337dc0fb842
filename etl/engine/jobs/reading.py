"""Reads and counts the records of landed hours, before anything is published."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.engine.delta import checksums
from etl.engine.jobs.run_context import RunContext
from etl.engine.landing import reader as landing
from etl.engine.landing import records
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
    hour -> accepted records; None when the staged rows give this number.
    """

    event: Event
    hours: list[Landed]
    bad_files: list[BadFile]
    records: DataFrame
    record_counts: dict[datetime, int]
    accepted_counts: dict[datetime, int] | None


@spans.span("read")
def read(context: RunContext, table: Table, hours: list[Landed], bad_files: list[BadFile]) -> Reading:
    """Read and count the records of some landed hours. A file of an unknown format is a bad file."""
    assert table.event
    unknown = [(landed.hour, f) for landed in hours for f in landed.files if not landing.known(f)]
    readable = without(hours, unknown)
    rows = landing.read(context.spark, context.settings, table.event, readable)
    record_counts, accepted_counts = _count(context, table, table.event, rows, readable)
    return Reading(table.event, readable, bad_files + unknown, rows, record_counts, accepted_counts)


def _count(
    context: RunContext, table: Table, event: Event, rows: DataFrame, hours: list[Landed]
) -> tuple[dict[datetime, int], dict[datetime, int] | None]:
    """Count records by landed hour: all of them, and the accepted ones.

    The second is None where one accepted record is one staged row. A MergeAggregate table has fewer rows than records.
    """
    is_merged = isinstance(table.write, MergeAggregate)
    counts = [F.count("*").alias("read")]
    if is_merged:
        counts.append(F.count_if(~records.is_bad(event, context.settings)).alias("accepted"))
    found = {checksums.as_hour(r["landed_hour"]): r for r in rows.groupBy("landed_hour").agg(*counts).collect()}
    record_counts = {each.hour: found[each.hour]["read"] if each.hour in found else 0 for each in hours}
    return record_counts, {hour: row["accepted"] for hour, row in found.items()} if is_merged else None


def without(hours: list[Landed], bad_files: list[BadFile]) -> list[Landed]:
    """The same landed hours without the bad files."""
    bad = {file for _, file in bad_files}
    return [Landed(landed.hour, tuple(f for f in landed.files if f not in bad)) for landed in hours]
