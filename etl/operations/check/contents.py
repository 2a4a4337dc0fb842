"""What a table holds against what the ledger says it holds: files, rows, checksums, keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from etl import catalog
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.checksums import Content
from etl.engine.jobs.recovery import counts
from etl.engine.jobs.run_context import RunContext, in_hours
from etl.engine.spark import files
from etl.engine.state import planner
from etl.errors import first_line
from etl.model.contract import Scd2, Table
from etl.operations.check import commits
from etl.operations.check.finding import Finding


@dataclass(frozen=True)
class Lost:
    """A file that the newest version needs and nobody has: its path below the table, and its hour."""

    path: str
    hour: datetime | None


def check(context: RunContext, table: Table, deep: bool) -> Iterator[Finding]:
    """All that differs of one table whose log is whole."""
    lost = lost_files(context, table)
    if lost:
        hours = tuple(sorted({one.hour for one in lost if one.hour}))
        names = ", ".join(one.path for one in lost[:3])
        yield Finding("lost_file", table.name, f"{len(lost)} data files are gone ({names})", hours, REBUILD)
        return
    if deep and (bad := unreadable(context, table)):
        yield bad
        return
    yield from _changed(context, table, deep)
    if deep and table.key:
        yield from _repeated(context, table)


REBUILD = "Run `feed-etl check --repair`, which plans them to be made again"


def lost_files(context: RunContext, table: Table) -> list[Lost]:
    """Files of the newest version that are not on the disk."""
    uri = context.uri(table)
    value = F.col("partitionValues")[table.hour] if table.hour else F.lit(None).cast("string")
    live = delta.live_files(context.spark, uri).select("path", value.alias("hour")).collect()
    there = {files.below(uri, f.uri) for f in files.walk(context.spark, uri)}
    gone = [row for row in live if unquote(row["path"]) not in there]
    return [Lost(unquote(r["path"]), planner.partition_hour(r["hour"]) if r["hour"] else None) for r in gone]


def unreadable(context: RunContext, table: Table) -> Finding | None:
    """Files that are there and cannot be read to their end. A table that can be read costs one job."""
    rows = delta.read(context.spark, context.uri(table))
    try:
        rows.select(F.xxhash64(*rows.columns).alias("h")).agg(F.max("h")).collect()
        return None
    except (Py4JJavaError, PySparkException) as error:
        return Finding("unreadable", table.name, f"files cannot be read: {first_line(error)}", next=RESTORE_FILE)


RESTORE_FILE = "Restore the file it names from a backup, or remove it and run `feed-etl check --repair`"


def differing(context: RunContext, table: Table, deep: bool) -> set[datetime]:
    """Hours whose rows (deep: whose content) are not what the ledger says."""
    if not table.hour or not catalog.is_made(table):
        return set()
    known = context.ledger.state(table.name)
    if deep:
        found = checksums.by_hour(delta.read(context.spark, context.uri(table)), table)
        wanted = {hour: Content.of(state) for hour, state in known.items()}
        return {h for h in found.keys() | wanted.keys() if found.get(h, Content()) != wanted.get(h, Content())}
    there = counts(context, table)
    recorded = {hour: state["row_count"] for hour, state in known.items()}
    return {hour for hour in there.keys() | recorded.keys() if there.get(hour, 0) != recorded.get(hour, 0)}


def _changed(context: RunContext, table: Table, deep: bool) -> Iterator[Finding]:
    by_hand = commits.foreign(context, table)
    hours = differing(context, table, deep)
    if by_hand and not (deep and table.hour and catalog.is_made(table)):
        hours |= {hour for one in by_hand for hour in one.hours}
    if by_hand and (hours or not table.hour):
        which = ", ".join(f"{one.version} ({one.operation})" for one in by_hand[-4:])
        what = f"rows were changed by hand, in version {which}"
        yield Finding("changed_by_hand", table.name, what, tuple(sorted(hours)), REBUILD)
    elif hours:
        yield Finding("differs", table.name, f"{_said(deep)} differ from the ledger", tuple(sorted(hours)), REBUILD)
    elif deep and isinstance(table.write, Scd2) and (odd := _odd_versions(context, table)):
        yield Finding("differs", table.name, f"{odd} versions are not what its change log says", (), REBUILD)


def _said(deep: bool) -> str:
    return "checksums" if deep else "rows by the log"


def _odd_versions(context: RunContext, table: Table) -> int:
    """Rows of a dimension that its change log does not give, and the other way round."""
    source = table.inputs[0].table
    log = delta.read(context.spark, context.uri(source)).where("effective_ts IS NOT NULL")
    wanted = catalog.entry(table.name).transform(log).select(*table.column_names)
    found = delta.read(context.spark, context.uri(table)).select(*table.column_names)
    return int(wanted.exceptAll(found).count() + found.exceptAll(wanted).count())


def _repeated(context: RunContext, table: Table) -> Iterator[Finding]:
    rows = delta.read(context.spark, context.uri(table))
    grouped = [*dict.fromkeys((*table.key, *table.partition))]
    twice = rows.groupBy(*grouped).count().where("count > 1")
    found = twice.groupBy(F.col(table.hour)).count().collect() if table.hour else [(None, twice.count())]
    hours = tuple(sorted(checksums.as_hour(row[0]) for row in found if row[0]))
    if number := sum(row[1] for row in found):
        yield Finding("repeated_key", table.name, f"{number} keys are there more than once", hours, REBUILD)


def content(context: RunContext, table: Table, hours: list[datetime]) -> list[dict[str, object]]:
    """What hours hold now, as a ledger row keeps it."""
    found = checksums.by_hour(delta.read(context.spark, context.uri(table)).where(in_hours(table, hours)), table)
    return [found.get(hour, Content()).state(hour) for hour in hours]
