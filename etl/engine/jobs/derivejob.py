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
from etl.engine.jobs.work import Work, in_hours, keep_changed, metadata, pass_gate, publish, record
from etl.engine.spark.layout import lay_out
from etl.engine.state import planner
from etl.engine.state.ledger import CONTRADICTIONS, Entry
from etl.model.contract import Input, Table, WriteMode
from etl.transforms import scd2


def run(work: Work, table: Table) -> Entry | None:
    """Bring a table up to date with its inputs. None when none of them changed."""
    hours = planner.due(work.ledger, table, work.span, work.shard_of(table))
    if not hours:
        return None
    work.suit(sum(_rows(work, i, table, hours) for i in table.inputs))
    entry = work.begin(table)
    entry.handled = hours
    for source in (i.table for i in table.inputs):
        entry.input_versions[source.name], entry.input_ids[source.name] = delta.identity(work.spark, work.uri(source))
    how = {
        WriteMode.INSERT_NEW: insert_new,
        WriteMode.REPLACE: _replace_hours,
        WriteMode.SCD2: _merge_versions,
    }
    how[table.write](work, table, entry)
    return record(work, entry)


def _rows(work: Work, source: Input, table: Table, hours: list[datetime]) -> int:
    """Rows of an input that are read for some hours of a table, as the ledger has them."""
    state = work.ledger.state(source.table.name)
    if source.as_of or table.write is WriteMode.SCD2:
        wanted = list(state)
    else:
        wanted = hours if planner.reads_landed_hours(table) else input_hours(source, table, hours)
    return sum(state[hour]["row_count"] for hour in wanted if hour in state)


def input_hours(source: Input, table: Table, hours: list[datetime]) -> list[datetime]:
    """Hours of an input to read for some output hours, as far around them as the input asks."""
    step = timedelta(hours=1)
    span = (24 if table.daily else 1) + source.ahead_hours
    needed = {hour + i * step for hour in hours for i in range(-source.behind_hours, span)}
    if source.table.daily:
        needed = {planner.grain(source.table, hour) for hour in needed}
    return sorted(needed)


def _replace_hours(work: Work, table: Table, entry: Entry) -> None:
    given = {i.table.name: _input(work, i, table, entry) for i in table.inputs}
    rows = ddl.conform(work.transform(table)(**given).where(in_hours(table, entry.handled)), table)
    txn = work.transaction(table)
    shard = work.shard_of(table)
    if shard:
        others = txn.read(in_hours(table, entry.handled)).where(f"NOT ({work.mine(table)})")
        # A key is another user's after a correction of its input: its published row is then of the past.
        left = others.join(rows.select(*table.key), list(table.key), "left_anti")
        rows = rows.unionByName(left.select(*table.column_names))
    staged = txn.stage(lay_out(rows, table, len(entry.handled), table.arranged and not shard))
    pass_gate(work, table, staged, entry)
    changed = keep_changed(work, table, txn, staged, entry.handled)
    entry.rows_written = sum(c.rows for c in changed.values())
    publish(work, table, txn, entry, changed)


def _input(work: Work, source: Input, table: Table, entry: Entry) -> DataFrame:
    version = entry.input_versions[source.table.name]
    if source.as_of:
        return work.read(source.table, version)
    hours = in_hours(source.table, input_hours(source, table, entry.handled))
    return work.read(source.table, version, hours).where(work.mine(table))


def _same_row(table: Table) -> str:
    return " AND ".join(f"old.{c} <=> new.{c}" for c in table.column_names)


def _merge_versions(work: Work, table: Table, entry: Entry) -> None:
    source, known = table.inputs[0].table, "effective_ts IS NOT NULL"
    version = entry.input_versions[source.name]
    log_ = work.read(source, version).where(known)
    touched = work.read(source, version, in_hours(source, entry.handled)).where(known)
    keys = touched.select(*table.natural_key).distinct()
    changes = log_.join(keys, list(table.natural_key), "left_semi")
    unequal = scd2.contradictions(changes, table)
    entry.metrics[CONTRADICTIONS] = float(unequal)
    new = ddl.conform(catalog.entry(table.name).transform(changes), table).persist()
    txn = work.transaction(table)
    txn.watch("true")
    old = work.read(table, txn.version).join(keys, list(table.natural_key), "left_semi")
    pass_gate(work, table, new, entry, winners.warning(unequal))
    fresh = new.alias("new").join(old.alias("old"), F.expr(_same_row(table)), "left_anti")
    identity = [*table.natural_key, "valid_from"]
    gone = old.join(new.select(*identity), identity, "left_anti").select(*table.column_names)
    diff = fresh.withColumn("_gone", F.lit(False)).unionByName(gone.withColumn("_gone", F.lit(True))).persist()
    entry.rows_written = diff.count()
    entry.records_read = changes.count()
    if entry.rows_written:
        earliest = F.greatest(F.min("valid_from"), F.lit(planner.FIRST))  # a Python datetime has no year 0
        first = diff.agg(F.least(earliest, F.lit(planner.LAST))).collect()[0][0]
        entry.touched = {planner.FOLLOWING: [checksums.as_hour(first).replace(minute=0, second=0, microsecond=0)]}
        txn.refuse_changed()
        _merge(work, table, diff, entry)
    for frame in (new, diff):
        frame.unpersist()


def _merge(work: Work, table: Table, diff: DataFrame, entry: Entry) -> None:
    target = work.uri(table)
    on = " AND ".join(f"t.{c} = s.{c}" for c in (*table.natural_key, "valid_from"))
    values: dict[str, str | Column] = {c: f"s.{c}" for c in table.column_names}
    merge = (
        DeltaTable.forPath(work.spark, target).alias("t").merge(diff.alias("s"), on)
        .whenMatchedDelete("s._gone")
        .whenMatchedUpdate(set=values)
        .whenNotMatchedInsert("NOT s._gone", values)
    )  # fmt: skip
    with delta.conflicts(target), delta.signed(work.spark, target, metadata(entry)):
        merge.execute()
    entry.output_version = delta.current_version(work.spark, target)
