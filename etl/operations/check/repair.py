"""Repairs a finding. It rebuilds no hour itself: it plans hours, and a run or a backfill rebuilds them.

A repair is a row of the ledger. It records what the hours hold now, and which of them must be rebuilt.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs.recovery import newest_recorded, recover
from etl.engine.jobs.run_context import RunContext, metadata, record
from etl.engine.landing import reader as landing
from etl.engine.state import planner
from etl.engine.state.entry import DAMAGED, TO_BE_READ, WITHOUT_FILES, Entry
from etl.model.contract import InsertNew, Scd2, Table
from etl.operations.check import contents
from etl.operations.check.finding import Finding, format_hours
from etl.operations.check.rebuild import complete

MAX_LATENESS = timedelta(days=7)  # how long after an hour its heartbeats may have landed


def repair(context: RunContext, table: Table, finding: Finding, deep: bool) -> str:
    """Repair a finding. Returns a sentence about what was done, with the command that rebuilds the hours."""
    if finding.kind not in ("lost_file", "changed_by_hand", "differs", "repeated_key"):
        return ""
    if finding.kind == "lost_file":
        _forget_files(context, table)
    hours = sorted({*finding.hours, *contents.differing(context, table, deep)})
    return _plan(context, table, hours, finding.what)


def accept_loss(context: RunContext, table: Table, finding: Finding) -> str:
    """Record that landed hours have no files any more. Returns a sentence about it; empty for any other finding."""
    if finding.kind != "landed_gone":
        return ""
    entry = context.begin(table)
    entry.fingerprints = {hour.isoformat(): WITHOUT_FILES for hour in finding.hours}
    record(context, entry, reason="check: landed files are gone")
    return "The ledger now records that these hours have no files."


def _forget_files(context: RunContext, table: Table) -> None:
    """Remove lost files from the newest version, so that the table can be read."""
    lost = {file.path for file in contents.lost_files(context, table)}
    txn = Transaction(context.spark, context.uri(table))
    txn.remove_files(lost)
    entry = context.begin(table)
    entry.reason = f"check: {len(lost)} data files are missing"
    entry.output_version = txn.commit(metadata(entry))
    record(context, entry, reason=entry.reason)
    context.seen[table.name] = entry.output_version


def _plan(context: RunContext, table: Table, hours: list[datetime], why: str) -> str:
    entry = context.begin(table)
    entry.checked_version = delta.current_version(context.spark, context.uri(table))
    if table.hour and context.ledger.state(table.name):
        entry.published_hours = contents.content(context, table, hours)
    if table.event:
        planned = _plan_landed_hours(context, table, hours, entry)
    else:
        planned = _hours_to_rebuild(context, table, hours)
        entry.affected_hours = {DAMAGED: planned}
    record(context, entry, reason=f"check: {why}")
    not_planned = () if table.hour == "" else tuple(h for h in hours if h not in planned)
    return " ".join(filter(None, [_next_command(table, planned), _cannot_rebuild(table, not_planned)]))


def _hours_to_rebuild(context: RunContext, table: Table, hours: list[datetime]) -> list[datetime]:
    """Return the hours that retention still allows; of a dimension all landed hours, since its rows have no hour."""
    if isinstance(table.write, Scd2):
        return sorted(context.ledger.consumed(table.name))
    first = planner.open_from(context.ledger, table)
    return [hour for hour in hours if first is None or hour >= first] if table.inputs else []


def _plan_landed_hours(context: RunContext, table: Table, hours: list[datetime], entry: Entry) -> list[datetime]:
    """Mark landed hours that still have files to be read again. Returns the hours of the table that this rebuilds.

    Heartbeats of an hour may have landed up to MAX_LATENESS after it.
    """
    assert table.event
    landed = set(hours)
    if table.hour != "landed_hour" and hours:
        recorded = map(datetime.fromisoformat, context.ledger.fingerprints(table.name))
        landed = {h for h in recorded if min(hours) <= h <= max(hours) + MAX_LATENESS}
    parts = landing.listing(context.spark, context.settings, table.event, sorted(landed))
    with_files = [part.hour for part in parts if part.files]
    entry.fingerprints = {hour.isoformat(): TO_BE_READ for hour in with_files}
    return with_files if table.hour == "landed_hour" else (hours if with_files else [])


def _next_command(table: Table, planned: list[datetime]) -> str:
    if not planned:
        return ""
    end = max(planned) + (timedelta(days=1) if table.daily else timedelta(hours=1))
    interval = f"--from {min(planned):%Y-%m-%dT%H} --to {end:%Y-%m-%dT%H} --table {table.name}"
    if isinstance(table.write, InsertNew):
        options = '--only stale --owner NAME --reason "check" --accept-changes'
        return f"Planned: `feed-etl backfill run {interval} {options}` rebuilds them."
    return f"Planned: the next run, or `feed-etl run {interval}`, rebuilds them."


def _cannot_rebuild(table: Table, hours: tuple[datetime, ...]) -> str:
    if not hours:
        return ""
    return (
        f"{format_hours(hours)} of {table.name} cannot be rebuilt, because their input is gone. "
        "The ledger now records what they hold. Restore the table from a backup if you have one."
    )


def reconcile(context: RunContext, table: Table) -> str:
    """Reconcile the ledger with a table that lacks recorded commits, or whose commits the ledger lacks."""
    recorded = newest_recorded(context.ledger.published(table.name))
    if delta.current_version(context.spark, context.uri(table)) < recorded:
        return _renumber(context, table, recorded)
    complete(context, table)
    return "The ledger again records what the table holds."


def _renumber(context: RunContext, table: Table, after: int) -> str:
    """Commit to a table that lost commits until its version is newer than any that downstream tables have consumed."""
    uri = context.uri(table)
    while (version := delta.current_version(context.spark, uri)) <= after:
        delta.remove_old_checksum(context.spark, uri, version + 1)
        with delta.commit_metadata(context.spark, uri, ""):
            context.spark.sql(f"ALTER TABLE delta.`{uri}` SET TBLPROPERTIES ('feed_etl.renumbered' = '{after}')")
    recover(context, table)
    return f"Versions of {table.name} continue after {after}. The hours that lost rows are listed next."
