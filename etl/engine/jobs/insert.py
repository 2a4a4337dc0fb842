"""Makes fact tables (write mode InsertNew): inserts rows with a new key, and corrects a published row when it lost.

Duplicates, which at-least-once delivery makes, are equal records of a key and become equal rows. `drop_equal_rows`
keeps one of them within each range partition that the rows are written in, so it needs no shuffle of its own. The
batch is compared only with the published hours that hold keys of the batch.

Unequal records of a key are rare. The gate's rule on the key finds those within a batch, and a comparison of hashes
finds those that differ from a published row. Only then the job reads all records of these few keys, and `winners`
decides which record wins.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.engine.delta import checksums
from etl.engine.delta.partitions import in_hours
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import ddl, winners
from etl.engine.jobs.corrections import correct
from etl.engine.jobs.fact_batch import Batch, audit_batch, drop_equal_rows, publish_batch, published_contents
from etl.engine.jobs.run_context import RunContext
from etl.engine.quality import suites
from etl.engine.spark.layout import range_partition
from etl.engine.state.entry import Entry
from etl.engine.state.shards import person_column
from etl.model.contract import Table

MAX_BROADCAST_KEYS = 1_000_000
"""Up to this many keys are broadcast to every task; more keys are joined with a shuffle."""


def insert_new(context: RunContext, table: Table, entry: Entry) -> None:
    """Publish what is new in the landed hours of an entry (`processed_hours`)."""
    source = table.inputs[0].table
    landed = context.read(source, entry.input_versions[source.name], in_hours(source, entry.processed_hours))
    if context.shard_of(table) and person_column(table) not in table.key:
        # Records of one key may name two people. The winning record decides which shard makes the row.
        landed = _winners_of_batch(landed, table)
    _insert(context, table, entry, landed.where(context.shard_predicate(table)))


def _winners_of_batch(landed: DataFrame, table: Table) -> DataFrame:
    """The same records; of the unequal records of a key only the winning one."""
    event = table.inputs[0].table.event
    assert event
    contested = winners.contested(landed, table.key, event.fields)
    uncontested = landed.join(contested, list(table.key), "left_anti")
    winning = winners.smallest(landed.join(contested, list(table.key), "left_semi"), table)
    return uncontested.unionByName(winning.select(*landed.columns))


def _insert(context: RunContext, table: Table, entry: Entry, landed: DataFrame) -> None:
    """Insert the rows of landed records; when keys are contested, correct the published rows too."""
    batch = _batch(context, table, entry, ddl.conform(context.transform(table)(landed), table))
    try:
        contested = _contested_with_published(batch)
        if contested is None:
            contested = _insert_uncontested(batch)
        if contested is not None:
            correct(batch, contested.persist())
    finally:
        if batch.published_hashes is not None:
            batch.published_hashes.unpersist()


def _insert_uncontested(batch: Batch) -> DataFrame | None:
    """Publish the rows with a new key; returns None.

    When the gate finds unequal rows of a key in the batch, it publishes nothing and returns the contested keys.
    """
    table = batch.table
    staged = batch.txn.stage(drop_equal_rows(range_partition(batch.new, table, len(batch.hours)), table))
    audit = audit_batch(batch, staged)
    if audit.verdict.broke(suites.KEY):
        return winners.contested(batch.rows, table.key, table.columns)
    publish_batch(batch, staged, audit)
    return None


def _batch(context: RunContext, table: Table, entry: Entry, rows: DataFrame) -> Batch:
    """The batch of some rows, compared with the hours of the table that hold their keys."""
    counts = {checksums.as_hour(r[0]): r[1] for r in rows.groupBy(table.hour).count().collect()}
    entry.records_read = sum(counts.values())
    txn = context.transaction(table)
    txn.read(in_hours(table, counts))  # so a concurrent run that adds rows to these hours is a conflict
    published_hours = _hours_with_keys(context, table, txn, rows, counts)
    batch = Batch(context, table, entry, txn, rows, counts, published_hours)
    if not published_hours:
        return batch
    row_hash = checksums.row_hash(table.columns).alias("_hash")
    published = batch.published().join(_keys(rows, table, counts), batch.key, "left_semi").select(*batch.key, row_hash)
    return replace(batch, published_hashes=published.persist())


def _hours_with_keys(
    context: RunContext, table: Table, txn: Transaction, rows: DataFrame, counts: dict[datetime, int]
) -> list[datetime]:
    """The hours in which keys of some rows are published. It reads only the key columns, and no empty table."""
    candidates = _hours_that_may_have_keys(context, table, txn, list(counts))
    if not candidates:
        return []
    if not table.dedup_window_days:
        rows = rows.where(in_hours(table, candidates))
        counts = {hour: counts[hour] for hour in candidates}
    columns = dict.fromkeys((*table.key, table.hour))
    published = context.read(table, txn.version, in_hours(table, candidates)).select(*columns)
    found = published.join(_keys(rows, table, counts), list(table.key), "left_semi").select(table.hour).distinct()
    return sorted(checksums.as_hour(r[0]) for r in found.collect())


def _keys(rows: DataFrame, table: Table, counts: dict[datetime, int]) -> DataFrame:
    keys = rows.select(*table.key)
    return F.broadcast(keys) if sum(counts.values()) <= MAX_BROADCAST_KEYS else keys


def _hours_that_may_have_keys(
    context: RunContext, table: Table, txn: Transaction, hours: list[datetime]
) -> list[datetime]:
    """The published hours that may hold a key of rows of some hours: the same hours, or the deduplication window."""
    published = [hour for hour, content in published_contents(context, table, txn).items() if content.rows]
    if not table.dedup_window_days or not hours:
        return [hour for hour in published if hour in hours]
    window = timedelta(days=table.dedup_window_days)
    return [hour for hour in published if min(hours) - window <= hour <= max(hours) + window]


def _contested_with_published(batch: Batch) -> DataFrame | None:
    """The contested keys, when a row of the batch differs from the published row of its key; else None.

    The result then includes the keys that are contested within the batch, so that one correction handles all of them.
    """
    if batch.published_hashes is None:
        return None
    hashed = batch.rows.select(*batch.key, checksums.row_hash(batch.table.columns).alias("_own"))
    differing = hashed.join(batch.published_hashes, batch.key).where("_own <> _hash").select(*batch.key)
    if differing.isEmpty():
        return None
    return differing.unionByName(winners.contested(batch.rows, batch.table.key, batch.table.columns)).distinct()
