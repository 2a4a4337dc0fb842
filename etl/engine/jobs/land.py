"""Makes a table from landed files: read, quarantine bad records, stage, audit, publish.

Every table that has an event is made here: bronze tables (Replace), and facts that aggregate records (MergeAggregate).
"""

from __future__ import annotations

from datetime import datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from etl import catalog
from etl.engine.delta import checksums
from etl.engine.delta.checksums import Content
from etl.engine.delta.partitions import in_hours
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import ddl, landed_audit, quarantine
from etl.engine.jobs.audit import audited, compared, enforce
from etl.engine.jobs.reading import BadFile, Reading, read, without
from etl.engine.jobs.run_context import RunContext, keep_changed, log, publish, record
from etl.engine.landing import faults
from etl.engine.landing import reader as landing
from etl.engine.landing.reader import Landed
from etl.engine.spark.layout import lay_out
from etl.engine.state import planner
from etl.engine.state.entry import NEW_FIELD, WITHOUT_FILES, Entry
from etl.errors import first_line
from etl.model.contract import MergeAggregate, Table
from etl.telemetry import spans

MAX_NAMES = 5
"""Names that one log line lists; it counts the others."""


def pending(context: RunContext, table: Table) -> list[Landed]:
    """Landed hours to read: those of the run's interval whose files changed, and those that the table lacks.

    The table lacks hours when it was recreated (see `planner.missing_hours`). An hour that was read once and has no
    files any more is not read again, and its rows stay: retention removes landed files.
    """
    assert table.event and context.interval
    known = context.ledger.fingerprints(table.name)
    first = planner.open_from(context.ledger, table)
    wanted = sorted({*planner.hours_between(*context.interval), *planner.missing_hours(context.ledger, table)})
    read = context.selection.landed
    hours = [hour for hour in wanted if (first is None or hour >= first) and (read is None or hour in read)]
    found = landing.listing(context.spark, context.settings, table.event, hours)
    changed = {landed.hour: landed for landed in found if _is_changed(landed, known.get(landed.hour.isoformat()))}
    fingerprints = {hour: landed.fingerprint for hour, landed in changed.items()}
    return [changed[hour] for hour in context.selection.allowed(table, list(changed), fingerprints)]


def _is_changed(landed: Landed, fingerprint: str | None) -> bool:
    """Whether the files of an hour differ from those of the fingerprint that it was read with (None: never read)."""
    return landed.fingerprint != fingerprint and (bool(landed.files) or fingerprint is None)


def run(context: RunContext, table: Table) -> Entry | None:
    """Bring a table up to date with its landed files. None when nothing new has landed."""
    _warn_of_ignored_names(context, table)
    hours = pending(context, table)
    _note_hours_without_files(context, table, hours)
    if not hours:
        return None
    context.tune_for(sum(file.size for landed in hours for file in landed.files) // landing.RECORD_BYTES)
    entry = context.begin(table)
    entry.processed_hours = [landed.hour for landed in hours]
    entry.fingerprints = {landed.hour.isoformat(): landed.fingerprint for landed in hours}
    _load_readable(context, table, hours, entry)
    return record(context, entry)


def _warn_of_ignored_names(context: RunContext, table: Table) -> None:
    assert table.event
    if ignored := landing.ignored_names(context.spark, context.settings, table.event):
        log.warning(
            "%s: no run reads %s%s in %s: a folder of a landed hour is named like %s.", table.name,
            ", ".join(map(repr, ignored[:MAX_NAMES])),
            f" and {len(ignored) - MAX_NAMES} more" if len(ignored) > MAX_NAMES else "",
            table.event.name, "hour=2026-06-01T10",
        )  # fmt: skip


def _note_hours_without_files(context: RunContext, table: Table, pending_hours: list[Landed]) -> None:
    """Record the hours that a recreated table lacks and that have no files any more: no run can read them again."""
    without_files = set(planner.missing_hours(context.ledger, table)) - {landed.hour for landed in pending_hours}
    if not without_files:
        return
    entry = context.begin(table)
    entry.fingerprints = {hour.isoformat(): WITHOUT_FILES for hour in without_files}
    listed = f"{len(without_files)} landed hours up to {max(without_files).strftime(landing.HOUR)}"
    log.warning("%s: %s have no files any more. Their rows in the table stay.", table.name, listed)
    record(context, entry, reason=f"{listed} have no files any more")


def _load_readable(context: RunContext, table: Table, hours: list[Landed], entry: Entry) -> None:
    """Load all files. When that fails because of unreadable files, load the others and quarantine the unreadable ones.

    A failure is the only sign of an unreadable file: to check each file before would read every file twice.
    """
    try:
        _load(context, table, hours, [], entry)
    except (Py4JJavaError, PySparkException) as error:
        bad_files = landing.unreadable(context.spark, hours)
        if not bad_files:
            raise
        log.warning("%s: %d unreadable file(s): %s", table.name, len(bad_files), first_line(error))
        _load(context, table, without(hours, bad_files), bad_files, entry)


def _load(context: RunContext, table: Table, hours: list[Landed], bad_files: list[BadFile], entry: Entry) -> None:
    """Write-audit-publish for the records of landed hours; quarantine the records that are not accepted."""
    reading = read(context, table, hours, bad_files)
    txn = context.transaction(table)
    staged, changing = _stage(context, table, txn, reading)
    audit = audited(context, table, staged, txn.staged_hours(table.hour))
    accepted = reading.accepted_counts
    if accepted is None:
        accepted = {hour: content.rows for hour, content in audit.contents.items()}
    quarantined = quarantine.write(context, reading, accepted, entry)
    _note_counts(entry, reading, accepted, quarantined)
    _note_new_fields(table, entry, reading)
    failures = landed_audit.balance(context, table, reading, accepted, quarantined)
    failures += landed_audit.late_hours(context, table, reading, entry)
    after = {hour: audit.contents.get(hour, Content()) for hour in changing}
    failures += compared(context, table, entry, audit, after)
    enforce(context, table, staged, entry, audit.verdict.with_failures(failures))
    contents = _changed(context, table, txn, audit.contents, changing)
    entry.rows_written = sum(content.rows for content in contents.values())
    publish(context, table, txn, entry, contents)


def _stage(context: RunContext, table: Table, txn: Transaction, reading: Reading) -> tuple[DataFrame, list[datetime]]:
    """Stage the accepted records; returns the staged rows and the hours that they replace."""
    accepted = reading.records.where(~faults.is_bad(reading.event, context.settings))
    rows = spans.span("transform")(catalog.entry(table.name).transform)(accepted)
    if isinstance(table.write, MergeAggregate):
        return _merge_aggregate(context, table, table.write, txn, rows)
    return txn.stage(ddl.conform(rows, table)), [landed.hour for landed in reading.hours]


def _changed(
    context: RunContext, table: Table, txn: Transaction, found: dict[datetime, Content], hours: list[datetime]
) -> dict[datetime, Content]:
    """Let the commit replace the hours that change; returns their content. A bronze table replaces all landed hours."""
    if isinstance(table.write, MergeAggregate):
        return keep_changed(context, table, txn, found, hours)
    txn.remove(in_hours(table, hours))
    return {hour: found.get(hour, Content()) for hour in hours}


def _note_counts(
    entry: Entry, reading: Reading, accepted: dict[datetime, int], quarantined: dict[datetime, int]
) -> None:
    """Note how many records were read, accepted and quarantined. An unreadable file counts as one record."""
    entry.records_read = sum(reading.record_counts.values()) + len(reading.bad_files)
    entry.records_accepted = sum(accepted.values())
    entry.records_quarantined = sum(quarantined.values())


def _note_new_fields(table: Table, entry: Entry, reading: Reading) -> None:
    """Note fields that the event does not have, and log each of them once per batch."""
    read = sum(reading.record_counts.values())
    for name, count in reading.new_fields.items():
        entry.metrics[f"{NEW_FIELD}{name}"] = float(count)
        since = f"{min(entry.processed_hours):%Y-%m-%dT%H}"
        log.warning(
            "new field seen: %s.%r, %.2g %% of records since %s", reading.event.name, name, 100 * count / read, since
        )


def _merge_aggregate(
    context: RunContext, table: Table, write: MergeAggregate, txn: Transaction, rows: DataFrame
) -> tuple[DataFrame, list[datetime]]:
    """Merge a batch into the published rows of its hours, and stage these hours."""
    batch = context.without_removed_hours(table, rows).persist()
    hours = [checksums.as_hour(r[0]) for r in batch.select(table.hour).distinct().collect()]
    existing = txn.read(in_hours(table, hours))
    merged = batch if existing.isEmpty() else write.combine(existing, batch)
    staged = txn.stage(lay_out(ddl.conform(merged, table), table, len(hours)))
    batch.unpersist()
    return staged, hours
