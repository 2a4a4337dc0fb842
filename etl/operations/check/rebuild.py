"""A lost ledger made again: from the rows that commits carry, and from the tables where their logs are too short.

What a table's log does not say any more counts as read by all that read it; what it says is compared exactly. So an
hour is made once too often at worst. Landed hours whose files are gone are known, and are never emptied.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.recovery import RECOVERED, commits, counts, from_commit
from etl.engine.jobs.run_context import RunContext
from etl.engine.landing import reader as landing
from etl.engine.spark import files
from etl.engine.spark.jvm import jvm
from etl.engine.state.entry import GONE, Entry
from etl.engine.state.ledger import Ledger
from etl.model.contract import InsertNew, Scd2, Table
from etl.operations.backfill.register import Register

UNKNOWN = "unknown"  # as a fingerprint: the hour has files that the table may not be made from; they are read again
BEFORE = timedelta(microseconds=1)


def rebuild(spark: SparkSession, settings: Settings, tables: list[Table]) -> str:
    """Make the ledger of a lake again beside the old one and put it in its place; returns what was done, in words."""
    lake = files.absolute(settings.lake)
    run_id = f"rebuilt-{runner.new_run_id()}"
    files.delete(spark, f"{lake}/_rebuilt")  # of a repair that was killed
    context = RunContext(spark, settings, Ledger(spark, f"{lake}/_rebuilt"), run_id, delta.cached_listing(spark))
    for table in tables:
        complete(context, table)
    _pin_logic(context, Register(spark, lake))
    context.ledger.flush()
    rows = len(context.ledger.entries)
    if files.exists(spark, f"{lake}/_ledger"):
        files.move(spark, f"{lake}/_ledger", f"{lake}/_ledger-{run_id}")
    files.move(spark, f"{lake}/_rebuilt/_ledger", f"{lake}/_ledger")
    files.delete(spark, f"{lake}/_rebuilt")
    jvm(spark, "org.apache.spark.sql.delta.DeltaLog").clearCache()
    return f"Made again from the commits of {len(tables)} tables: {rows} rows."


def complete(context: RunContext, table: Table) -> None:
    """Add what the ledger lacks of a table: its commits, and before them what it holds by older ones."""
    newest, table_id = delta.identity(context.spark, context.uri(table))
    known = {e.output_version for e in context.ledger.published(table.name)}
    found = commits(context, table, -1, newest)
    rows = [from_commit(text, version) for version, text in found if text.startswith("{") and version not in known]
    for entry in rows:
        entry.table_id, entry.reason = table_id, "; ".join(filter(None, [entry.reason, RECOVERED]))
    if _first(found) > 1:
        begun = min((e.started_at for e in rows), default=context.ledger.now())
        base = Entry(context.run_id, table.name, begun - BEFORE, table_id=table_id, reason="made again from the table")
        base.output_version = _first(found) - 1
        base.seen_version = base.output_version
        _fill(context, table, base)
        context.ledger.append(base)
    for entry in rows:
        context.ledger.append(entry)


def _first(found: list[tuple[int, str]]) -> int:
    """The oldest version that a log has: what came before is known by its rows only."""
    return min((version for version, _ in found), default=0)


def _fill(context: RunContext, table: Table, base: Entry) -> None:
    if table.hour and catalog.is_made(table):
        held = checksums.by_hour(delta.read(context.spark, context.uri(table)), table)
        base.published_hours = [content.state(hour) for hour, content in sorted(held.items())]
    if table.event:
        base.fingerprints = _fingerprints(context, table)
        base.processed_hours = sorted(map(datetime.fromisoformat, base.fingerprints))
    elif table.inputs:
        base.processed_hours = _processed_hours(context, table)
        for source in (i.table for i in table.inputs):
            version, base.input_ids[source.name] = delta.identity(context.spark, context.uri(source))
            base.input_versions[source.name] = max(0, _first(commits(context, source, -1, version)) - 1)
    if table.retention_days is not None:
        base.kept_from = _kept_from(context, table)


def _processed_hours(context: RunContext, table: Table) -> list[datetime]:
    source = table.inputs[0].table if isinstance(table.write, InsertNew | Scd2) else table
    return sorted(counts(context, source))


def _kept_from(context: RunContext, table: Table) -> datetime:
    """Retention may have taken all before this, and took nothing after it: the deadline, or the first hour there is."""
    assert table.retention_days is not None
    landed = [h for t in catalog.tables() if t.event and t.hour == "landed_hour" for h in _hours(context, t)]
    newest = max(landed, default=datetime.fromisoformat("1970-02-01T00:00+00:00")) + timedelta(hours=1)
    return min([newest - timedelta(days=table.retention_days), *_hours(context, table)])


def _hours(context: RunContext, table: Table) -> set[datetime]:
    there = delta.is_table(context.spark, context.uri(table))
    return {hour for hour, rows in counts(context, table).items() if rows} if there else set()


def _fingerprints(context: RunContext, table: Table) -> dict[str, str]:
    """Landed hour -> fingerprint of its files when the table and quarantine have rows of each of them."""
    assert table.event
    if table.hour != "landed_hour":  # beats are folded: to read what is there again changes nothing
        return {}
    named = _files_read(context, table)
    listed = landing.listing(context.spark, context.settings, table.event, sorted(named))
    marks = {}
    for part in listed:
        is_known = {f.name for f in part.files} <= named[part.hour]
        marks[part.hour.isoformat()] = GONE if not part.files else part.fingerprint if is_known else UNKNOWN
    return marks


def _files_read(context: RunContext, table: Table) -> dict[datetime, set[str]]:
    """Landed hour -> names of the files that rows of a table, or of quarantine, came from."""
    assert table.event
    rows = _provenance(delta.read(context.spark, context.uri(table)))
    beside = context.uri(catalog.entry("quarantine").table)
    if delta.is_table(context.spark, beside):
        rows = rows.unionByName(
            _provenance(delta.read(context.spark, beside).where(F.col("event") == table.event.name))
        )
    found: dict[datetime, set[str]] = {}
    for row in rows.distinct().collect():
        name = unquote(row["source_file"]).rsplit("/", 1)[-1]
        found.setdefault(checksums.as_hour(row["landed_hour"]), set()).add(name)
    return found


def _provenance(rows: DataFrame) -> DataFrame:
    return rows.select("landed_hour", "source_file")


def _pin_logic(context: RunContext, register: Register) -> None:
    """The logic that a backfill switched a table to has no commit of its own."""
    begun = {e.run_id for e in context.ledger.entries}
    for one in register.all():
        if one.logic is not None and (one.state == "done" or one.id in begun):
            for name in one.hours:
                pinned = context.begin(catalog.entry(name).table)
                pinned.logic_version = one.logic
                pinned.reason = f"logic v{one.logic} from here on: {one.reason}"
                context.ledger.append(pinned)
