"""What can be done about a finding. Nothing is made here: hours are planned, and a run or a backfill makes them again.

A repair is a row of the ledger, with what the hours really hold from then on and which of them are to be made again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs.recovery import newest_recorded, recover
from etl.engine.jobs.work import Work, metadata, record
from etl.engine.landing import reader as landing
from etl.engine.state import planner
from etl.engine.state.ledger import CHECKED, DAMAGED, OWED, Entry
from etl.model.contract import Table, WriteMode
from etl.operations.check import contents
from etl.operations.check.finding import Finding, listed
from etl.operations.check.rebuild import complete

AFTER = timedelta(days=7)  # how long after an hour heartbeats of it may have landed


def repair(work: Work, table: Table, finding: Finding, deep: bool) -> str:
    """Do what can be done; returns it in words, with the command that makes the hours again."""
    if finding.kind not in ("lost_file", "changed_by_hand", "differs", "repeated_key"):
        return ""
    if finding.kind == "lost_file":
        _forget_files(work, table)
    hours = sorted({*finding.hours, *contents.differing(work, table, deep)})
    return _plan(work, table, hours, finding.what)


def _forget_files(work: Work, table: Table) -> None:
    """Take files that are gone out of the table: what is left of it can be read."""
    lost = {one.path for one in contents.lost_files(work, table)}
    txn = Transaction(work.spark, work.uri(table))
    txn.remove_files(lost)
    entry = work.begin(table)
    entry.reason = f"check: {len(lost)} data files are gone"
    entry.output_version = txn.commit(metadata(entry))
    record(work, entry, reason=entry.reason)
    work.seen[table.name] = entry.output_version


def _plan(work: Work, table: Table, hours: list[datetime], why: str) -> str:
    entry = work.begin(table)
    entry.metrics[CHECKED] = float(delta.current_version(work.spark, work.uri(table)))
    if table.hour and work.ledger.state(table.name):
        entry.hours = contents.content(work, table, hours)
    again = _landed(work, table, hours, entry) if table.event else _again(work, table, hours)
    if not table.event:
        entry.touched = {DAMAGED: again}
    record(work, entry, reason=f"check: {why}")
    lost = () if table.hour == "" else tuple(h for h in hours if h not in again)
    return " ".join(filter(None, [_said(table, again), _cannot(table, lost)]))


def _again(work: Work, table: Table, hours: list[datetime]) -> list[datetime]:
    """Of a dimension all landed hours: its rows have no hour of their own."""
    if table.write is WriteMode.SCD2:
        return sorted(work.ledger.consumed(table.name))
    first = planner.open_from(work.ledger, table)
    return [hour for hour in hours if first is None or hour >= first] if table.inputs else []


def _landed(work: Work, table: Table, hours: list[datetime], entry: Entry) -> list[datetime]:
    """Landed hours that still have files are read again. Beats of an hour may have landed for some days after it."""
    assert table.event
    wanted = set(hours)
    if table.hour != "landed_hour" and hours:
        known = map(datetime.fromisoformat, work.ledger.fingerprints(table.name))
        wanted = {h for h in known if min(hours) <= h <= max(hours) + AFTER}
    found = [p.hour for p in landing.listing(work.spark, work.settings, table.event, sorted(wanted)) if p.files]
    entry.fingerprints = {hour.isoformat(): OWED for hour in found}
    return found if table.hour == "landed_hour" else (hours if found else [])


def _said(table: Table, again: list[datetime]) -> str:
    if not again:
        return ""
    end = max(again) + (timedelta(days=1) if table.daily else timedelta(hours=1))
    span = f"--from {min(again):%Y-%m-%dT%H} --to {end:%Y-%m-%dT%H} --table {table.name}"
    if table.write is WriteMode.INSERT_NEW:
        more = '--only stale --owner NAME --reason "check" --accept-changes'
        return f"Planned: `feed-etl backfill run {span} {more}` makes them again."
    return f"Planned: the next run, or `feed-etl run {span}`, makes them again."


def _cannot(table: Table, lost: tuple[datetime, ...]) -> str:
    if not lost:
        return ""
    return (
        f"{listed(lost)} of {table.name} cannot be made again, since what they were made from is gone: "
        "they count as they are now. Restore the table from a backup if you have one."
    )


def reconcile(work: Work, table: Table) -> str:
    """Bring a ledger and a table whose commits do not meet together again."""
    after = newest_recorded(work.ledger.published(table.name))
    if delta.current_version(work.spark, work.uri(table)) < after:
        return _renumber(work, table, after)
    complete(work, table)
    return "The ledger has what the table holds again."


def _renumber(work: Work, table: Table, after: int) -> str:
    """Bring a table that lost commits past the versions that the ledger knows, so that what comes next is news."""
    uri = work.uri(table)
    while delta.current_version(work.spark, uri) <= after:
        with delta.signed(work.spark, uri, ""):
            work.spark.sql(f"ALTER TABLE delta.`{uri}` SET TBLPROPERTIES ('feed_etl.renumbered' = '{after}')")
    recover(work, table)
    return f"Versions of {table.name} go on after {after}; hours that lost rows follow."
