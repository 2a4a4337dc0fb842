"""What can be done about a finding. Nothing is made here: hours are planned, and a run or a backfill makes them again.

A repair is a row of the ledger, with what the hours really hold from then on and which of them are to be made again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs.recovery import newest_recorded, recover
from etl.engine.jobs.run_context import RunContext, metadata, record
from etl.engine.landing import reader as landing
from etl.engine.state import planner
from etl.engine.state.entry import DAMAGED, OWED, Entry
from etl.model.contract import InsertNew, Scd2, Table
from etl.operations.check import contents
from etl.operations.check.finding import Finding, listed
from etl.operations.check.rebuild import complete

AFTER = timedelta(days=7)  # how long after an hour heartbeats of it may have landed


def repair(context: RunContext, table: Table, finding: Finding, deep: bool) -> str:
    """Do what can be done; returns it in words, with the command that makes the hours again."""
    if finding.kind not in ("lost_file", "changed_by_hand", "differs", "repeated_key"):
        return ""
    if finding.kind == "lost_file":
        _forget_files(context, table)
    hours = sorted({*finding.hours, *contents.differing(context, table, deep)})
    return _plan(context, table, hours, finding.what)


def _forget_files(context: RunContext, table: Table) -> None:
    """Take files that are gone out of the table: what is left of it can be read."""
    lost = {one.path for one in contents.lost_files(context, table)}
    txn = Transaction(context.spark, context.uri(table))
    txn.remove_files(lost)
    entry = context.begin(table)
    entry.reason = f"check: {len(lost)} data files are gone"
    entry.output_version = txn.commit(metadata(entry))
    record(context, entry, reason=entry.reason)
    context.seen[table.name] = entry.output_version


def _plan(context: RunContext, table: Table, hours: list[datetime], why: str) -> str:
    entry = context.begin(table)
    entry.checked_version = delta.current_version(context.spark, context.uri(table))
    if table.hour and context.ledger.state(table.name):
        entry.published_hours = contents.content(context, table, hours)
    again = _landed(context, table, hours, entry) if table.event else _again(context, table, hours)
    if not table.event:
        entry.affected_hours = {DAMAGED: again}
    record(context, entry, reason=f"check: {why}")
    lost = () if table.hour == "" else tuple(h for h in hours if h not in again)
    return " ".join(filter(None, [_said(table, again), _cannot(table, lost)]))


def _again(context: RunContext, table: Table, hours: list[datetime]) -> list[datetime]:
    """Of a dimension all landed hours: its rows have no hour of their own."""
    if isinstance(table.write, Scd2):
        return sorted(context.ledger.consumed(table.name))
    first = planner.open_from(context.ledger, table)
    return [hour for hour in hours if first is None or hour >= first] if table.inputs else []


def _landed(context: RunContext, table: Table, hours: list[datetime], entry: Entry) -> list[datetime]:
    """Landed hours that still have files are read again. Beats of an hour may have landed for some days after it."""
    assert table.event
    wanted = set(hours)
    if table.hour != "landed_hour" and hours:
        known = map(datetime.fromisoformat, context.ledger.fingerprints(table.name))
        wanted = {h for h in known if min(hours) <= h <= max(hours) + AFTER}
    found = [p.hour for p in landing.listing(context.spark, context.settings, table.event, sorted(wanted)) if p.files]
    entry.fingerprints = {hour.isoformat(): OWED for hour in found}
    return found if table.hour == "landed_hour" else (hours if found else [])


def _said(table: Table, again: list[datetime]) -> str:
    if not again:
        return ""
    end = max(again) + (timedelta(days=1) if table.daily else timedelta(hours=1))
    interval = f"--from {min(again):%Y-%m-%dT%H} --to {end:%Y-%m-%dT%H} --table {table.name}"
    if isinstance(table.write, InsertNew):
        more = '--only stale --owner NAME --reason "check" --accept-changes'
        return f"Planned: `feed-etl backfill run {interval} {more}` makes them again."
    return f"Planned: the next run, or `feed-etl run {interval}`, makes them again."


def _cannot(table: Table, lost: tuple[datetime, ...]) -> str:
    if not lost:
        return ""
    return (
        f"{listed(lost)} of {table.name} cannot be made again, since what they were made from is gone: "
        "they count as they are now. Restore the table from a backup if you have one."
    )


def reconcile(context: RunContext, table: Table) -> str:
    """Bring a ledger and a table whose commits do not meet together again."""
    after = newest_recorded(context.ledger.published(table.name))
    if delta.current_version(context.spark, context.uri(table)) < after:
        return _renumber(context, table, after)
    complete(context, table)
    return "The ledger has what the table holds again."


def _renumber(context: RunContext, table: Table, after: int) -> str:
    """Bring a table that lost commits past the versions that the ledger knows, so that what comes next is news."""
    uri = context.uri(table)
    while delta.current_version(context.spark, uri) <= after:
        with delta.commit_metadata(context.spark, uri, ""):
            context.spark.sql(f"ALTER TABLE delta.`{uri}` SET TBLPROPERTIES ('feed_etl.renumbered' = '{after}')")
    recover(context, table)
    return f"Versions of {table.name} go on after {after}; hours that lost rows follow."
