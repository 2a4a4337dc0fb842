"""Makes dimensions (write mode Scd2): computes all versions of the changed keys, and publishes the differences.

New versions of keys are appended. Only when a published version changes or no longer exists, a Delta MERGE rewrites
the files that hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl import catalog
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import in_hours
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import ddl, winners
from etl.engine.jobs.audit import pass_gate
from etl.engine.jobs.run_context import RunContext, metadata, publish
from etl.engine.state import planner
from etl.engine.state.entry import Entry
from etl.model.contract import Table
from etl.transforms import scd2


def merge_versions(context: RunContext, table: Table, entry: Entry) -> None:
    """Compute all versions of the keys that changed in the processed hours, and publish the differences."""
    key = list(table.versions.natural_key)
    changes, keys = _changes_of_changed_keys(context, table, entry)
    entry.records_read, contradictions = scd2.counts(changes, table)
    entry.contradictions = contradictions
    new = ddl.conform(catalog.entry(table.name).transform(changes), table).persist()
    txn = context.transaction(table)
    txn.watch("true")
    old = context.read(table, txn.version).join(keys, key, "left_semi")
    pass_gate(context, table, new, entry, extra=winners.warning(contradictions))
    diff = _differences(table, old, new).persist()
    _publish(context, table, txn, diff, entry)
    for frame in (new, diff):
        frame.unpersist()


def _changes_of_changed_keys(context: RunContext, table: Table, entry: Entry) -> tuple[DataFrame, DataFrame]:
    """The change log of every key that changed in the processed hours, and these keys."""
    source, key = table.inputs[0].table, list(table.versions.natural_key)
    version, has_time = entry.input_versions[source.name], "effective_ts IS NOT NULL"
    change_log = context.read(source, version).where(has_time)
    processed = context.read(source, version, in_hours(source, entry.processed_hours)).where(has_time)
    keys = processed.select(*key).distinct()
    return change_log.join(keys, key, "left_semi"), keys


def _differences(table: Table, old: DataFrame, new: DataFrame) -> DataFrame:
    """New and changed versions (`_replaces`: a published one), and versions that no longer exist (`_removed`)."""
    same_row = " AND ".join(f"old.{c} <=> new.{c}" for c in table.column_names)
    version_key = [*table.versions.natural_key, "valid_from"]
    published = old.select(*version_key, F.lit(True).alias("_published")).distinct()
    added = (
        new.alias("new")
        .join(old.alias("old"), F.expr(same_row), "left_anti")
        .join(published, version_key, "left")
        .select(*table.column_names, F.col("_published").isNotNull().alias("_replaces"), F.lit(False).alias("_removed"))
    )
    removed = old.join(new.select(*version_key), version_key, "left_anti")
    flags = [F.lit(False).alias("_replaces"), F.lit(True).alias("_removed")]
    return added.unionByName(removed.select(*table.column_names, *flags))


@dataclass(frozen=True)
class _Change:
    """A difference in numbers. rows: versions. rewrites: those that replace or remove a published one.

    first: the first hour that the change affects; None when there is no change.
    """

    rows: int
    rewrites: int
    first: datetime | None


def _measure(diff: DataFrame) -> _Change:
    """The numbers of a difference, within the hours that can be due: a Python datetime has no year 0."""
    earliest = F.least(F.greatest(F.min("valid_from"), F.lit(planner.FIRST)), F.lit(planner.LAST))
    (found,) = diff.agg(F.count("*"), F.count_if(F.col("_replaces") | F.col("_removed")), earliest).collect()
    rows, rewrites, first = found
    hour = checksums.as_hour(first).replace(minute=0, second=0, microsecond=0) if rows else None
    return _Change(rows, rewrites, hour)


def _publish(context: RunContext, table: Table, txn: Transaction, diff: DataFrame, entry: Entry) -> None:
    """Publish a difference in one commit that carries the ledger row; without a difference there is no commit."""
    change = _measure(diff)
    entry.rows_written = change.rows
    if change.first is None:
        return
    entry.affected_hours = {planner.FOLLOWING: [change.first]}
    if not change.rewrites:
        files = int(context.spark.conf.get("spark.sql.shuffle.partitions") or 1)
        txn.stage(ddl.conform(diff.drop("_replaces", "_removed").coalesce(files), table))
        return publish(context, table, txn, entry, {})
    txn.raise_if_changed()
    _merge(context, table, diff, entry)


def _merge(context: RunContext, table: Table, diff: DataFrame, entry: Entry) -> None:
    """Delete, update and insert versions in one Delta MERGE."""
    target = context.uri(table)
    on = " AND ".join(f"t.{c} = s.{c}" for c in (*table.versions.natural_key, "valid_from"))
    values: dict[str, str | Column] = {c: f"s.{c}" for c in table.column_names}
    merge = (
        DeltaTable.forPath(context.spark, target).alias("t").merge(diff.alias("s"), on)
        .whenMatchedDelete("s._removed")
        .whenMatchedUpdate(set=values)
        .whenNotMatchedInsert("NOT s._removed", values)
    )  # fmt: skip
    with delta.translate_conflicts(target), delta.commit_metadata(context.spark, target, metadata(entry)):
        merge.execute()
    entry.output_version = delta.current_version(context.spark, target)
