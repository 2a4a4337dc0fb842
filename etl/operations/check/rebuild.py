"""Rebuilds a lost ledger from the rows that commits carry, and from the tables themselves where logs are too short.

Versions that a table's log no longer has count as consumed by all downstream tables. Versions that it has are compared
exactly. So at worst a run rebuilds an hour that did not need it. Landed hours whose files are gone are recorded as
`gone`, so that no run empties them.
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
from etl.engine.delta.listing import cached_listing
from etl.engine.jobs import runner
from etl.engine.jobs.recovery import RECOVERED, commits, counts, from_commit
from etl.engine.jobs.run_context import RunContext
from etl.engine.landing import reader as landing
from etl.engine.spark import files
from etl.engine.state import restores
from etl.engine.state.entry import UNKNOWN, WITHOUT_FILES, Entry
from etl.engine.state.ledger import Ledger
from etl.model.contract import InsertNew, Scd2, Table
from etl.operations.backfill.register import Register

BEFORE = timedelta(microseconds=1)


def rebuild(spark: SparkSession, settings: Settings, tables: list[Table]) -> str:
    """Build the ledger of a lake in `_rebuilt`, then move it to `_ledger`. Returns a sentence about what was done."""
    lake = files.absolute(settings.lake)
    run_id = f"rebuilt-{runner.new_run_id()}"
    files.delete(spark, f"{lake}/_rebuilt")  # a killed repair may have left it
    context = RunContext(spark, settings, Ledger(spark, f"{lake}/_rebuilt"), run_id, cached_listing(spark))
    for table in tables:
        complete(context, table)
    _pin_logic(context, Register(spark, lake))
    context.ledger.flush()
    rows = len(context.ledger.entries)
    if files.exists(spark, f"{lake}/_ledger"):
        files.move(spark, f"{lake}/_ledger", f"{lake}/_ledger-{run_id}")
    files.move(spark, f"{lake}/_rebuilt/_ledger", f"{lake}/_ledger")
    files.delete(spark, f"{lake}/_rebuilt")
    delta.forget_snapshots(spark)
    return f"Rebuilt from the commits of {len(tables)} tables: {rows} rows."


def complete(context: RunContext, table: Table) -> None:
    """Add the ledger rows that a table lacks.

    Each commit in the log gives its row. One more row, before them, stands for the versions that the log no longer has.
    """
    newest, table_id = delta.identity(context.spark, context.uri(table))
    recorded = {e.output_version for e in context.ledger.published(table.name)}
    log = commits(context, table, -1, newest)
    found = [from_commit(text, version) for version, text in log if text.startswith("{")]
    counting = restores.history(
        newest, {e.output_version or 0: e.restored_to for e in found if e.restored_to is not None}
    )
    entries = [e for e in found if e.output_version in counting - recorded]
    for entry in entries:
        entry.table_id, entry.reason = table_id, "; ".join(filter(None, [entry.reason, RECOVERED]))
    if _oldest(log) > 1:
        started_at = min((e.started_at for e in entries), default=context.ledger.now()) - BEFORE
        context.ledger.append(_base_entry(context, table, started_at, table_id, _oldest(log) - 1))
    for entry in entries:
        context.ledger.append(entry)


def _oldest(log: list[tuple[int, str]]) -> int:
    """Return the oldest version that a log has."""
    return min((version for version, _ in log), default=0)


def _base_entry(context: RunContext, table: Table, started_at: datetime, table_id: str, version: int) -> Entry:
    """Return a ledger row for all versions of a table up to one, from the rows that the table has."""
    base = Entry(context.run_id, table.name, started_at, table_id=table_id, reason="rebuilt from the table")
    base.output_version = base.seen_version = version
    if table.hour and catalog.has_job(table):
        contents = checksums.by_hour(delta.read(context.spark, context.uri(table)), table)
        base.published_hours = [content.state(hour) for hour, content in sorted(contents.items())]
    if table.event:
        base.fingerprints = _fingerprints(context, table)
        base.processed_hours = sorted(map(datetime.fromisoformat, base.fingerprints))
    elif table.inputs:
        base.processed_hours = _processed_hours(context, table)
        for source in (i.table for i in table.sources.values()):
            newest, base.input_ids[source.name] = delta.identity(context.spark, context.uri(source))
            base.input_versions[source.name] = max(0, _oldest(commits(context, source, -1, newest)) - 1)
    if table.retention_days is not None:
        base.kept_from = _kept_from(context, table)
    return base


def _processed_hours(context: RunContext, table: Table) -> list[datetime]:
    source = table.inputs[0].table if isinstance(table.write, InsertNew | Scd2) else table
    return sorted(counts(context, source))


def _kept_from(context: RunContext, table: Table) -> datetime:
    """Return the retention deadline, or the first hour of the table when that is earlier.

    Retention may have removed every hour before it, and has removed no hour after it.
    """
    assert table.retention_days is not None
    landed = [h for t in catalog.tables() if t.event and t.hour == "landed_hour" for h in _hours(context, t)]
    newest = max(landed, default=datetime.fromisoformat("1970-02-01T00:00+00:00")) + timedelta(hours=1)
    return min([newest - timedelta(days=table.retention_days), *_hours(context, table)])


def _hours(context: RunContext, table: Table) -> set[datetime]:
    if not delta.is_table(context.spark, context.uri(table)):
        return set()
    return {hour for hour, rows in counts(context, table).items() if rows}


def _fingerprints(context: RunContext, table: Table) -> dict[str, str]:
    """Return landed hour -> fingerprint of its files: WITHOUT_FILES, or UNKNOWN when a file was never read.

    A file counts as read when the table or quarantine has a row of it.
    """
    assert table.event
    if table.hour != "landed_hour":  # heartbeats are merged into aggregates: reading files again changes nothing
        return {}
    read = _files_read(context, table)
    prints = {}
    for part in landing.listing(context.spark, context.settings, table.event, sorted(read)):
        all_read = {f.name for f in part.files} <= read[part.hour]
        prints[part.hour.isoformat()] = WITHOUT_FILES if not part.files else part.fingerprint if all_read else UNKNOWN
    return prints


def _files_read(context: RunContext, table: Table) -> dict[datetime, set[str]]:
    """Return landed hour -> names of the files that rows of a table, or its rows in quarantine, came from."""
    assert table.event
    rows = _provenance(delta.read(context.spark, context.uri(table)))
    quarantine = context.uri(catalog.entry("quarantine").table)
    if delta.is_table(context.spark, quarantine):
        rows = rows.unionByName(
            _provenance(delta.read(context.spark, quarantine).where(F.col("event") == table.event.name))
        )
    names: dict[datetime, set[str]] = {}
    for row in rows.distinct().collect():
        name = unquote(row["source_file"]).rsplit("/", 1)[-1]
        names.setdefault(checksums.as_hour(row["landed_hour"]), set()).add(name)
    return names


def _provenance(rows: DataFrame) -> DataFrame:
    return rows.select("landed_hour", "source_file")


def _pin_logic(context: RunContext, register: Register) -> None:
    """Add a row for each table that a backfill switched to another logic version: no commit carries that row."""
    started = {e.run_id for e in context.ledger.entries}
    for backfill in register.all():
        if backfill.logic is not None and (backfill.state == "done" or backfill.id in started):
            for name in backfill.hours:
                entry = context.begin(catalog.entry(name).table)
                entry.logic_version = backfill.logic
                entry.reason = f"logic v{backfill.logic} from here on: {backfill.reason}"
                context.ledger.append(entry)
