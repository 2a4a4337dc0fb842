"""What a run must know of a table before it works on it: publishes not recorded yet, and whether it is the same table.

Delta's versions say something only together with the id of the table: one that is removed and made anew begins at
version 0 again. See docs/decisions/0019-table-ids.md.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime

from etl import catalog
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs.run_context import RunContext, log, record
from etl.engine.state import ledger_table, planner
from etl.engine.state.entry import DAMAGED, OWED, Entry
from etl.errors import LakeError
from etl.model.contract import Table

RECOVERED = "recovered from the commit"
ANEW = "the table was made anew"


def recover(context: RunContext, table: Table) -> None:
    """Record publishes that a killed run committed but did not get to write into the ledger.

    Looks at all versions after the one that a run before had seen, not after the newest recorded: of runs that publish
    side by side one may have been killed, and another recorded what came after. A table that was made anew is noted.
    Raises LakeError when the table has lost commits that the ledger knows.
    """
    recorded = newest_recorded(context.ledger.published(table.name))  # before the log is read
    snapshot = delta.snapshot(context.spark, context.uri(table))
    newest = context.seen[table.name] = int(snapshot.version())
    context.ids[table.name] = str(snapshot.metadata().id())
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
    """The newest version of a table that the ledger knows of."""
    return max((max(e.seen, e.output_version or 0) for e in published), default=0)


def _refuse_unknown(context: RunContext, table: Table, unrecorded: list[Entry]) -> None:
    """Raises LakeError when commits are neither in the ledger nor in the log any more, and rows are there by them.

    Nothing is recorded before: what the log still says would pass for all there was.
    """
    if not table.hour or not catalog.is_made(table):
        return
    states = context.ledger.state(table.name) | {
        state["hour"]: state for e in unrecorded for state in e.published_hours
    }
    known = {hour: state["row_count"] for hour, state in states.items() if state["row_count"]}
    there = {hour: rows for hour, rows in counts(context, table).items() if rows}
    if there != known:
        raise LakeError(
            f"{table.name} has {len(there)} hours with rows and the ledger knows {len(known)}: it lost some, and the "
            "table's log does not go back that far. Run `feed-etl check --repair`."
        )


def counts(context: RunContext, table: Table) -> dict[datetime, int]:
    """Hour (day) -> rows, from the statistics of the newest version's log."""
    found = delta.partitions(context.spark, context.uri(table), table.hour)
    return {planner.partition_hour(value): rows for value, (rows, _) in found.items()}


def commits(context: RunContext, table: Table, after: int, newest: int) -> list[tuple[int, str]]:
    """(version, what it was signed with) of the commits after a version that the log still has, oldest first."""
    history = context.spark.sql(f"DESCRIBE HISTORY delta.`{context.uri(table)}` LIMIT {max(1, newest - after)}")
    found = history.where(f"version > {after}").orderBy("version").select("version", "userMetadata").collect()
    return [(row["version"], row["userMetadata"] or "") for row in found]


def from_commit(metadata: str, version: int) -> Entry:
    """The ledger row that a commit carries. What a later release adds to it is left out."""
    given = ledger_table.as_entry(json.loads(metadata, object_hook=_instant))
    known = {f.name for f in fields(Entry)}
    entry = Entry(**{name: value for name, value in given.items() if name in known})
    entry.output_version = version
    return entry


def _instant(value: dict[str, str]) -> object:
    return datetime.fromisoformat(value["t"]) if set(value) == {"t"} else value


def is_new(context: RunContext, table: Table) -> bool:
    """Whether a table is another one than the ledger knows under its name."""
    known = context.ledger.table_id(table.name)
    return known is not None and known != delta.table_id(context.spark, context.uri(table))


def _note_new_table(context: RunContext, table: Table, newest: int) -> bool:
    """Record that a table was made anew, if it was: what the one before was made from is due again.

    Rows that are there already, as in a copy, are what its hours hold. Landed hours are read again while their files
    are there.
    """
    ledger, now = context.ledger, context.ids[table.name]
    with ledger.lock:
        known = ledger.table_id(table.name)
        before = ledger.published(table.name)
        backwards = known is None and newest < newest_recorded(before)
        if known == now or (known is None and not backwards):
            return False
        entry = context.begin(table)
        entry.seen_version = 0
        if table.event:
            entry.fingerprints = dict.fromkeys(ledger.fingerprints(table.name), OWED)
        _note_rows(context, table, entry, before, newest)
        log.warning("%s: %s (Delta's id is %s now). What it was made from is due again.", table.name, ANEW, now)
        record(context, entry, reason=ANEW)
        if not catalog.is_made(table):
            _read_again(context, {hour for e in before for hour in e.processed_hours})
        return True


def _read_again(context: RunContext, hours: set[datetime]) -> None:
    """Let what lands be read again, since a table that all landing jobs write beside (quarantine) was made anew."""
    for table in catalog.tables():
        known = context.ledger.fingerprints(table.name) if table.event else {}
        again = [hour.isoformat() for hour in hours if hour.isoformat() in known]
        if again:
            entry = context.begin(table)
            entry.fingerprints = dict.fromkeys(again, OWED)
            record(context, entry, reason="read again for quarantine")


def _note_rows(context: RunContext, table: Table, entry: Entry, before: list[Entry], newest: int) -> None:
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
    """Raises LakeError when a table that this one reads was made anew and lacks hours it had: none reads half of it."""
    for name in catalog.reads(table):
        source = catalog.entry(name).table
        if is_new(context, source):
            recover(context, source)
        owed = planner.owed(context.ledger, source)
        if owed:
            raise LakeError(
                f"{table.name} waits for {name}, which was made anew and lacks {len(owed)} hours it had, the first "
                f"{owed[0]:%Y-%m-%dT%H}. Run `feed-etl run --table {name}` for any hour: it makes them all."
            )
