"""Makes tables from other tables: facts insert new rows, rollups and marts replace hours, dimensions merge versions.

A chain, which reads its own previous day, is made one day at a time; all other tables make their due hours at once.
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame

from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import in_hours
from etl.engine.jobs import ddl
from etl.engine.jobs.audit import pass_gate
from etl.engine.jobs.insert import insert_new
from etl.engine.jobs.recovery import recover
from etl.engine.jobs.run_context import RunContext, keep_changed, publish, record
from etl.engine.jobs.versions import merge_versions
from etl.engine.spark.layout import lay_out
from etl.engine.state import chains, planner
from etl.engine.state.entry import Entry
from etl.model.contract import Chain, Input, InsertNew, Replace, Scd2, Table


def run(context: RunContext, table: Table) -> Entry | None:
    """Bring a table up to date with its inputs. None when none of them changed."""
    hours = due_hours(context, table)
    if not hours:
        return None
    context.tune_for(sum(_input_rows(context, i, table, hours) for i in table.sources.values()))
    return _make_days(context, table, table.chain) if table.chain else _make(context, table, hours)


def due_hours(context: RunContext, table: Table) -> list[datetime]:
    """The hours of a table that are due and that this run makes, oldest first."""
    due = planner.due(context.ledger, table, context.interval, context.shard_of(table))
    return context.selection.allowed(table, due)


def _make_days(context: RunContext, table: Table, chain: Chain) -> Entry | None:
    """Make the due days of a chain one after the other, each in a publish of its own, and return the last ledger row.

    A day that changes makes the next one due. A killed run goes on where it stopped: `recover` reads from the commits
    which days are published.
    """
    entry, day = None, planner.FIRST - chains.DAY
    while step := planner.next_day(context.ledger, table, chain, after=day):
        day, reaches_to = step
        if day >= context.selection.before(table):
            break
        entry = _make(context, table, [day], reaches_to)
        recover(context, table)
    return entry


def _make(context: RunContext, table: Table, hours: list[datetime], reaches_to: datetime | None = None) -> Entry:
    """Make some hours of a table and record them. `reaches_to`: the last day of a chain that a change can reach."""
    entry = context.begin(table)
    entry.processed_hours, entry.reaches_to = hours, reaches_to
    for source in (i.table for i in table.sources.values()):
        version, table_id = delta.identity(context.spark, context.uri(source))
        entry.input_versions[source.name], entry.input_ids[source.name] = version, table_id
    match table.write:
        case InsertNew():
            insert_new(context, table, entry)
        case Replace():
            _replace_hours(context, table, table.write, entry)
        case Scd2():
            merge_versions(context, table, entry)
    return record(context, entry)


def _input_rows(context: RunContext, source: Input, table: Table, hours: list[datetime]) -> int:
    """How many rows of an input a run reads to make some hours of a table, from the ledger."""
    state = context.ledger.state(source.table.name)
    if source.as_of or isinstance(table.write, Scd2):
        wanted = list(state)
    else:
        wanted = hours if planner.reads_landed_hours(table) else input_hours(source, table, hours)
    return sum(state[hour]["row_count"] for hour in wanted if hour in state)


def input_hours(source: Input, table: Table, hours: list[datetime]) -> list[datetime]:
    """The hours (days) of an input to read for some output hours (days), with `behind_hours` and `ahead_hours`."""
    end = (24 if table.daily else 1) + source.ahead_hours
    needed = {hour + i * planner.HOUR for hour in hours for i in range(-source.behind_hours, end)}
    if source.table.daily:
        needed = {planner.grain(source.table, hour) for hour in needed}
    return sorted(needed)


def _replace_hours(context: RunContext, table: Table, write: Replace, entry: Entry) -> None:
    """Make whole hours (days) from the inputs and publish those that differ from the published ones."""
    inputs = {name: _input(context, source, table, entry) for name, source in table.sources.items()}
    hours = in_hours(table, entry.processed_hours)
    rows = ddl.conform(context.transform(table)(**inputs).where(hours), table)
    txn = context.transaction(table)
    is_sharded = context.shard_of(table) is not None
    if is_sharded:
        rows = _with_rows_of_other_shards(context, table, rows, txn.read(hours))
    is_clustered = write.preclustered and not is_sharded
    staged = txn.stage(lay_out(rows, table, len(entry.processed_hours), is_clustered))
    contents = pass_gate(context, table, staged, entry, txn.staged_hours(table.hour))
    changed = keep_changed(context, table, txn, contents, entry.processed_hours)
    entry.rows_written = sum(c.rows for c in changed.values())
    publish(context, table, txn, entry, changed)


def _with_rows_of_other_shards(context: RunContext, table: Table, rows: DataFrame, published: DataFrame) -> DataFrame:
    """The rows of this shard, and the published rows of the other shards.

    A correction of an input may move a key to a person of this shard. The published row of this key is then outdated.
    """
    others = published.where(f"NOT ({context.shard_predicate(table)})")
    current = others.join(rows.select(*table.key), list(table.key), "left_anti")
    return rows.unionByName(current.select(*table.column_names))


def _input(context: RunContext, source: Input, table: Table, entry: Entry) -> DataFrame:
    """The rows of an input that the processed hours read: all rows of a dimension, else its hours in this shard."""
    version = entry.input_versions[source.table.name]
    if source.as_of:
        return context.read(source.table, version)
    hours = in_hours(source.table, input_hours(source, table, entry.processed_hours))
    return context.read(source.table, version, hours).where(context.shard_predicate(table))
