"""From tables to a table: facts insert what is new, rollups and marts replace hours, dimensions merge versions."""

from __future__ import annotations

from datetime import datetime, timedelta

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl import catalog
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs import ddl, winners
from etl.engine.jobs.insertjob import insert_new
from etl.engine.jobs.run_context import RunContext, in_hours, keep_changed, metadata, pass_gate, publish, record
from etl.engine.spark.layout import lay_out
from etl.engine.state import planner
from etl.engine.state.entry import Entry
from etl.model.contract import Input, InsertNew, Replace, Scd2, Table
from etl.transforms import scd2


def run(context: RunContext, table: Table) -> Entry | None:
    """Bring a table up to date with its inputs. None when none of them changed."""
    hours = planner.due(context.ledger, table, context.interval, context.shard_of(table))
    if not hours:
        return None
    context.tune_for(sum(_rows(context, i, table, hours) for i in table.inputs))
    entry = context.begin(table)
    entry.processed_hours = hours
    for source in (i.table for i in table.inputs):
        entry.input_versions[source.name], entry.input_ids[source.name] = delta.identity(
            context.spark, context.uri(source)
        )
    match table.write:
        case InsertNew():
            insert_new(context, table, entry)
        case Replace():
            _replace_hours(context, table, entry)
        case Scd2():
            _merge_versions(context, table, entry)
    return record(context, entry)


def _rows(context: RunContext, source: Input, table: Table, hours: list[datetime]) -> int:
    """Rows of an input that are read for some hours of a table, as the ledger has them."""
    state = context.ledger.state(source.table.name)
    if source.as_of or isinstance(table.write, Scd2):
        wanted = list(state)
    else:
        wanted = hours if planner.reads_landed_hours(table) else input_hours(source, table, hours)
    return sum(state[hour]["row_count"] for hour in wanted if hour in state)


def input_hours(source: Input, table: Table, hours: list[datetime]) -> list[datetime]:
    """Hours of an input to read for some output hours, as far around them as the input asks."""
    step = timedelta(hours=1)
    interval = (24 if table.daily else 1) + source.ahead_hours
    needed = {hour + i * step for hour in hours for i in range(-source.behind_hours, interval)}
    if source.table.daily:
        needed = {planner.grain(source.table, hour) for hour in needed}
    return sorted(needed)


def _replace_hours(context: RunContext, table: Table, entry: Entry) -> None:
    given = {i.table.name: _input(context, i, table, entry) for i in table.inputs}
    rows = ddl.conform(context.transform(table)(**given).where(in_hours(table, entry.processed_hours)), table)
    txn = context.transaction(table)
    shard = context.shard_of(table)
    if shard:
        others = txn.read(in_hours(table, entry.processed_hours)).where(f"NOT ({context.mine(table)})")
        # A key is another user's after a correction of its input: its published row is then of the past.
        left = others.join(rows.select(*table.key), list(table.key), "left_anti")
        rows = rows.unionByName(left.select(*table.column_names))
    staged = txn.stage(
        lay_out(
            rows,
            table,
            len(entry.processed_hours),
            isinstance(table.write, Replace) and table.write.preclustered and not shard,
        )
    )
    pass_gate(context, table, staged, entry)
    changed = keep_changed(context, table, txn, staged, entry.processed_hours)
    entry.rows_written = sum(c.rows for c in changed.values())
    publish(context, table, txn, entry, changed)


def _input(context: RunContext, source: Input, table: Table, entry: Entry) -> DataFrame:
    version = entry.input_versions[source.table.name]
    if source.as_of:
        return context.read(source.table, version)
    hours = in_hours(source.table, input_hours(source, table, entry.processed_hours))
    return context.read(source.table, version, hours).where(context.mine(table))


def _same_row(table: Table) -> str:
    return " AND ".join(f"old.{c} <=> new.{c}" for c in table.column_names)


def _merge_versions(context: RunContext, table: Table, entry: Entry) -> None:
    source, known = table.inputs[0].table, "effective_ts IS NOT NULL"
    version = entry.input_versions[source.name]
    log_ = context.read(source, version).where(known)
    affected_hours = context.read(source, version, in_hours(source, entry.processed_hours)).where(known)
    keys = affected_hours.select(*table.versions.natural_key).distinct()
    changes = log_.join(keys, list(table.versions.natural_key), "left_semi")
    unequal = scd2.contradictions(changes, table)
    entry.contradictions = unequal
    new = ddl.conform(catalog.entry(table.name).transform(changes), table).persist()
    txn = context.transaction(table)
    txn.watch("true")
    old = context.read(table, txn.version).join(keys, list(table.versions.natural_key), "left_semi")
    pass_gate(context, table, new, entry, winners.warning(unequal))
    fresh = new.alias("new").join(old.alias("old"), F.expr(_same_row(table)), "left_anti")
    identity = [*table.versions.natural_key, "valid_from"]
    gone = old.join(new.select(*identity), identity, "left_anti").select(*table.column_names)
    diff = fresh.withColumn("_gone", F.lit(False)).unionByName(gone.withColumn("_gone", F.lit(True))).persist()
    entry.rows_written = diff.count()
    entry.records_read = changes.count()
    if entry.rows_written:
        earliest = F.greatest(F.min("valid_from"), F.lit(planner.FIRST))  # a Python datetime has no year 0
        first = diff.agg(F.least(earliest, F.lit(planner.LAST))).collect()[0][0]
        entry.affected_hours = {
            planner.FOLLOWING: [checksums.as_hour(first).replace(minute=0, second=0, microsecond=0)]
        }
        txn.raise_if_changed()
        _merge(context, table, diff, entry)
    for frame in (new, diff):
        frame.unpersist()


def _merge(context: RunContext, table: Table, diff: DataFrame, entry: Entry) -> None:
    target = context.uri(table)
    on = " AND ".join(f"t.{c} = s.{c}" for c in (*table.versions.natural_key, "valid_from"))
    values: dict[str, str | Column] = {c: f"s.{c}" for c in table.column_names}
    merge = (
        DeltaTable.forPath(context.spark, target).alias("t").merge(diff.alias("s"), on)
        .whenMatchedDelete("s._gone")
        .whenMatchedUpdate(set=values)
        .whenNotMatchedInsert("NOT s._gone", values)
    )  # fmt: skip
    with delta.translate_conflicts(target), delta.commit_metadata(context.spark, target, metadata(entry)):
        merge.execute()
    entry.output_version = delta.current_version(context.spark, target)
