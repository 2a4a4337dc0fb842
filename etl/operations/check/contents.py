"""Compares a table with the ledger: files, row counts, checksums and keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from pyspark.sql.types import MapType

from etl import catalog
from etl.engine.delta import checksums, typed_checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.checksums import Content
from etl.engine.delta.partitions import in_hours, partition_hour
from etl.engine.jobs.recovery import counts
from etl.engine.jobs.run_context import RunContext
from etl.engine.spark import files
from etl.errors import first_line
from etl.model.contract import Scd2, Table
from etl.operations.check import commits
from etl.operations.check.finding import Finding


@dataclass(frozen=True)
class LostFile:
    """A file that the newest version references and that is not on disk: its path below the table, and its hour."""

    path: str
    hour: datetime | None


def check(context: RunContext, table: Table, deep: bool) -> Iterator[Finding]:
    """Yield a finding for each difference of a table whose log is complete. `deep` reads every file."""
    lost = lost_files(context, table)
    if lost:
        hours = tuple(sorted({file.hour for file in lost if file.hour}))
        names = ", ".join(file.path for file in lost[:3])
        yield Finding("lost_file", table.name, f"{len(lost)} data files are missing ({names})", hours, REBUILD)
        return
    if deep and (finding := unreadable(context, table)):
        yield finding
        return
    yield from _changed(context, table, deep)
    if deep and table.key:
        yield from _duplicates(context, table)


REBUILD = "Run `feed-etl check --repair`, which plans to rebuild them"


def lost_files(context: RunContext, table: Table) -> list[LostFile]:
    """Return the files of the newest version that are not on disk."""
    uri = context.uri(table)
    value = F.col("partitionValues")[table.hour] if table.hour else F.lit(None).cast("string")
    live = delta.live_files(context.spark, uri).select("path", value.alias("hour")).collect()
    on_disk = {files.relative_path(uri, f.uri) for f in files.walk(context.spark, uri)}
    lost = [row for row in live if unquote(row["path"]) not in on_disk]
    return [LostFile(unquote(r["path"]), partition_hour(r["hour"]) if r["hour"] else None) for r in lost]


def unreadable(context: RunContext, table: Table) -> Finding | None:
    """Return a finding when a file is on disk and cannot be read to its end. This reads the table once."""
    rows = delta.read(context.spark, context.uri(table))
    values = [F.map_entries(f.name) if isinstance(f.dataType, MapType) else F.col(f.name) for f in rows.schema.fields]
    try:
        rows.select(F.xxhash64(*values).alias("h")).agg(F.max("h")).collect()
        return None
    except (Py4JJavaError, PySparkException) as error:
        return Finding("unreadable", table.name, f"files cannot be read: {first_line(error)}", next=RESTORE_FILE)


RESTORE_FILE = "Restore the file it names from a backup, or remove it and run `feed-etl check --repair`"


def differing(context: RunContext, table: Table, deep: bool) -> set[datetime]:
    """Return the hours whose row count (`deep`: whose checksum) differs from the ledger."""
    if not table.hour or not catalog.has_job(table):
        return set()
    states = context.ledger.state(table.name)
    if deep:
        recorded = {hour: Content.of(state) for hour, state in states.items()}
        live = _live_contents(context, table, recorded)
        return {h for h in live.keys() | recorded.keys() if live.get(h, Content()) != recorded.get(h, Content())}
    live_rows = counts(context, table)
    recorded_rows = {hour: state["row_count"] for hour, state in states.items()}
    return {h for h in live_rows.keys() | recorded_rows.keys() if live_rows.get(h, 0) != recorded_rows.get(h, 0)}


def _live_contents(context: RunContext, table: Table, recorded: dict[datetime, Content]) -> dict[datetime, Content]:
    """Return the content of every hour that has rows, each by the method of its recorded checksum."""
    rows = delta.read(context.spark, context.uri(table))
    live = checksums.by_hour(rows, table)
    typed = [hour for hour in live if hour in recorded and recorded[hour].method == checksums.TYPED]
    if typed:
        rows_of_hours = rows.where(in_hours(table, typed))
        live |= typed_checksums.by_hour(context.spark, context.uri(table), rows_of_hours, table)
    return live


def _changed(context: RunContext, table: Table, deep: bool) -> Iterator[Finding]:
    by_hand = commits.foreign_commits(context, table)
    hours = differing(context, table, deep)
    if by_hand and not (deep and table.hour and catalog.has_job(table)):
        hours |= {hour for commit in by_hand for hour in commit.hours}
    if by_hand and (hours or not table.hour):
        versions = ", ".join(f"{commit.version} ({commit.operation})" for commit in by_hand[-4:])
        what = f"rows were changed by hand, in version {versions}"
        yield Finding("changed_by_hand", table.name, what, tuple(sorted(hours)), REBUILD)
    elif hours:
        compared = "checksums" if deep else "row counts in Delta's log"
        yield Finding("differs", table.name, f"{compared} differ from the ledger", tuple(sorted(hours)), REBUILD)
    elif deep and isinstance(table.write, Scd2) and (count := _wrong_versions(context, table)):
        yield Finding("differs", table.name, f"{count} versions differ from its change log", (), REBUILD)


def _wrong_versions(context: RunContext, table: Table) -> int:
    """Count the rows of a dimension that its change log does not produce, and the rows that it lacks."""
    source = table.inputs[0].table
    log = delta.read(context.spark, context.uri(source)).where("effective_ts IS NOT NULL")
    expected = catalog.entry(table.name).transform(log).select(*table.column_names)
    live = delta.read(context.spark, context.uri(table)).select(*table.column_names)
    return int(expected.exceptAll(live).count() + live.exceptAll(expected).count())


def _duplicates(context: RunContext, table: Table) -> Iterator[Finding]:
    rows = delta.read(context.spark, context.uri(table))
    grouped = [*dict.fromkeys((*table.key, *table.partition))]
    keys = rows.groupBy(*grouped).count().where("count > 1")
    by_hour = keys.groupBy(F.col(table.hour)).count().collect() if table.hour else [(None, keys.count())]
    hours = tuple(sorted(checksums.as_hour(row[0]) for row in by_hour if row[0]))
    if number := sum(row[1] for row in by_hour):
        yield Finding("repeated_key", table.name, f"{number} keys have more than one row", hours, REBUILD)


def content(context: RunContext, table: Table, hours: list[datetime]) -> list[dict[str, object]]:
    """Return the row count and checksum that hours have now, as `published_hours` of a ledger row keeps them."""
    live = checksums.by_hour(delta.read(context.spark, context.uri(table)).where(in_hours(table, hours)), table)
    return [live.get(hour, Content()).state(hour) for hour in hours]
