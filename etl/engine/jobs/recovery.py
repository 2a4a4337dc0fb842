"""Brings the ledger up to date with a table before a run works on it.

It records publishes of killed runs, and notices a recreated table. A Delta version means something only together with
Delta's table id: a recreated table has another id and begins at version 0 again. See docs/decisions/0019-table-ids.md.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime

from etl import catalog
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import partition_hour
from etl.engine.jobs.run_context import RunContext, log, record
from etl.engine.state import ledger_table, planner
from etl.engine.state.entry import DAMAGED, TO_BE_READ, Entry
from etl.errors import LakeError
from etl.model.contract import Table

RECOVERED = "recovered from the commit"
RECREATED = "the table was recreated"


def recover(context: RunContext, table: Table) -> None:
    """Record publishes that a killed run committed but did not write into the ledger; note a recreated table.

    It looks at all versions after the last one up to which the ledger is complete (`seen`), not after the newest
    recorded one: of two parallel runs one may be killed while the other records a later version.

    Raises LakeError when the table or the ledger has lost commits.
    """
    recorded = newest_recorded(context.ledger.published(table.name))  # before reading the Delta log
    newest, id_ = delta.identity(context.spark, context.uri(table))
    context.seen[table.name], context.ids[table.name] = newest, id_
    is_noted = _note_new_table(context, table, newest)
    published = context.ledger.published(table.name)
    known = {e.output_version or 0 for e in published}
    after = max((e.seen for e in published), default=0)
    if newest < recorded and not is_noted:
        raise LakeError(
            f"{table.name} is at version {newest}, but version {recorded} of it was published: commits are lost. "
            "Run `feed-etl check --repair`."
        )
    if known.issuperset(range(after + 1, newest + 1)):
        return
    found = commits(context, table, after, newest)
    unrecorded = [from_commit(text, at) for at, text in found if at not in known and text.startswith("{")]
    if not known.union(version for version, _ in found).issuperset(range(after + 1, newest + 1)):
        _refuse_unknown(context, table, unrecorded)
    for entry in unrecorded:
        entry.table_id = context.ids[table.name]
        record(context, entry, "passed", "; ".join(filter(None, [entry.reason, RECOVERED])))


def newest_recorded(published: list[Entry]) -> int:
    """The newest version of a table in its published ledger rows; 0 when there are none."""
    return max((max(e.seen, e.output_version or 0) for e in published), default=0)


def _refuse_unknown(context: RunContext, table: Table, unrecorded: list[Entry]) -> None:
    """Raises LakeError when the table holds rows of commits that neither the ledger nor the Delta log has any more.

    The caller records nothing before this check: an incomplete ledger would look complete afterwards.
    """
    if not table.hour or not catalog.has_job(table):
        return
    states = context.ledger.state(table.name) | {
        state["hour"]: state for e in unrecorded for state in e.published_hours
    }
    known = {hour: state["row_count"] for hour, state in states.items() if state["row_count"]}
    existing = {hour: rows for hour, rows in counts(context, table).items() if rows}
    if existing != known:
        raise LakeError(
            f"{table.name} has {len(existing)} hours with rows and the ledger knows {len(known)}: it lost some, and "
            "the table's log does not go back that far. Run `feed-etl check --repair`."
        )


def counts(context: RunContext, table: Table) -> dict[datetime, int]:
    """Hour (day) -> number of rows, from the statistics in the Delta log of the newest version."""
    found = delta.partitions(context.spark, context.uri(table), table.hour)
    return {partition_hour(value): rows for value, (rows, _) in found.items()}


def commits(context: RunContext, table: Table, after: int, newest: int) -> list[tuple[int, str]]:
    """(version, commit metadata) of the commits after a version that the Delta log still has, oldest first."""
    history = context.spark.sql(f"DESCRIBE HISTORY delta.`{context.uri(table)}` LIMIT {max(1, newest - after)}")
    found = history.where(f"version > {after}").orderBy("version").select("version", "userMetadata").collect()
    return [(row["version"], row["userMetadata"] or "") for row in found]


def from_commit(metadata: str, version: int) -> Entry:
    """The ledger row that a commit carries. Fields that a later release added are ignored."""
    given = ledger_table.as_entry(json.loads(metadata, object_hook=_instant))
    known = {f.name for f in fields(Entry)}
    entry = Entry(**{name: value for name, value in given.items() if name in known})
    entry.output_version = version
    return entry


def _instant(value: dict[str, str]) -> object:
    return datetime.fromisoformat(value["t"]) if set(value) == {"t"} else value


def is_new(context: RunContext, table: Table) -> bool:
    """Whether a table was recreated: its Delta id is not the one in the ledger."""
    known = context.ledger.table_id(table.name)
    return known is not None and known != delta.table_id(context.spark, context.uri(table))


def _note_new_table(context: RunContext, table: Table, newest: int) -> bool:
    """Record that a table was recreated, so that its inputs are due again; returns whether it was.

    The rows that a recreated table already has (a copy, for example) are recorded as the content of their hours. Landed
    hours are read again as long as their files exist.
    """
    ledger, current_id = context.ledger, context.ids[table.name]
    with ledger.lock:
        known = ledger.table_id(table.name)
        before = ledger.published(table.name)
        backwards = known is None and newest < newest_recorded(before)
        if known == current_id or (known is None and not backwards):
            return False
        entry = context.begin(table)
        entry.seen_version = 0
        if table.event:
            entry.fingerprints = dict.fromkeys(ledger.fingerprints(table.name), TO_BE_READ)
        _note_rows(context, table, entry, before, newest)
        log.warning("%s: %s (its Delta id is %s now). Its inputs are due again.", table.name, RECREATED, current_id)
        record(context, entry, reason=RECREATED)
        if not catalog.has_job(table):
            _read_again(context, {hour for e in before for hour in e.processed_hours})
        return True


def _read_again(context: RunContext, hours: set[datetime]) -> None:
    """Make landed hours due again for all tables with an event, because quarantine, which they share, was recreated."""
    for table in catalog.tables():
        known = context.ledger.fingerprints(table.name) if table.event else {}
        again = [hour.isoformat() for hour in hours if hour.isoformat() in known]
        if again:
            entry = context.begin(table)
            entry.fingerprints = dict.fromkeys(again, TO_BE_READ)
            record(context, entry, reason="read again for quarantine")


def _note_rows(context: RunContext, table: Table, entry: Entry, before: list[Entry], newest: int) -> None:
    """Note the rows that a recreated table already has: as published, and as a change of all hours known before."""
    rows = delta.read(context.spark, context.uri(table), newest)
    if rows.isEmpty():
        return
    for column in {column for e in before for column in e.affected_hours} - {DAMAGED}:
        entry.affected_hours[column] = sorted({hour for e in before for hour in e.affected_hours.get(column, [])})
    if table.hour:
        found = checksums.by_hour(rows, table)
        entry.published_hours = [content.state(hour) for hour, content in sorted(found.items())]
        entry.affected_hours[table.hour] = sorted(found)
    entry.output_version = newest


def refuse_unfinished(context: RunContext, table: Table) -> None:
    """Raises LakeError when an input was recreated and still lacks hours that it had before.

    Otherwise the table would be made from an incomplete input.
    """
    for name in catalog.reads(table):
        source = catalog.entry(name).table
        if is_new(context, source):
            recover(context, source)
        missing = planner.missing_hours(context.ledger, source)
        if missing:
            raise LakeError(
                f"{table.name} waits for {name}, which was recreated and lacks {len(missing)} hours that it had, the "
                f"first {missing[0]:%Y-%m-%dT%H}. Run `feed-etl run --table {name}` for any hour: it makes them all."
            )
