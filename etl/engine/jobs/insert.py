"""Makes fact tables (write mode InsertNew): inserts rows with a new key, and corrects a published row when it lost.

Duplicates, which at-least-once delivery makes, are equal records of a key and become equal rows. `drop_equal_rows`
keeps one of them within each range partition that the rows are written in, so it needs no shuffle of its own. The
batch is compared only with the published hours that hold keys of the batch.

Unequal records of a key are rare. The gate's rule on the key finds those within a batch, and a comparison of hashes
finds those that differ from a published row. Only then the job reads all records of these few keys, and `winners`
decides which record wins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.engine.delta import checksums
from etl.engine.delta.checksums import Content
from etl.engine.delta.partitions import as_literal, in_hours
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import ddl, winners
from etl.engine.jobs.run_context import Audit, RunContext, audited, enforce, publish
from etl.engine.quality import suites
from etl.engine.spark.layout import range_partition, sort_within_tasks
from etl.engine.state.entry import Entry
from etl.engine.state.shards import person_column
from etl.model.contract import InsertNew, Table

MAX_BROADCAST_KEYS = 1_000_000
"""Up to this many keys are broadcast to every task; more keys are joined with a shuffle."""


@dataclass(frozen=True)
class Batch:
    """The rows that a run has for a fact, and the transaction that publishes them.

    rows: all rows, with duplicates. hours: hour -> number of rows. published_hours: hours in which keys of the batch
    are published already. published_hashes: key and `_hash` of these published rows; None when there are none.
    """

    context: RunContext
    table: Table
    entry: Entry
    txn: Transaction
    rows: DataFrame
    hours: dict[datetime, int]
    published_hours: list[datetime]
    published_hashes: DataFrame | None = None

    @property
    def key(self) -> list[str]:
        """The columns of the key."""
        return list(self.table.key)

    @property
    def new(self) -> DataFrame:
        """Rows whose key is not published."""
        if self.published_hashes is None:
            return self.rows
        return self.rows.join(self.published_hashes, self.key, "left_anti")

    def published(self) -> DataFrame:
        """All published rows of the hours in which keys of the batch are published."""
        return self.txn.read(in_hours(self.table, self.published_hours))


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
            _correct(batch, contested.persist())
    finally:
        if batch.published_hashes is not None:
            batch.published_hashes.unpersist()


def _insert_uncontested(batch: Batch) -> DataFrame | None:
    """Publish the rows with a new key; returns None.

    When the gate finds unequal rows of a key in the batch, it publishes nothing and returns the contested keys.
    """
    table = batch.table
    staged = batch.txn.stage(drop_equal_rows(range_partition(batch.new, table, len(batch.hours)), table))
    audit = _audit(batch, staged)
    if audit.verdict.broke(suites.KEY):
        return winners.contested(batch.rows, table.key, table.columns)
    _publish(batch, staged, audit)
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
    published = [hour for hour, content in _contents(context, table, txn).items() if content.rows]
    if not table.dedup_window_days or not hours:
        return [hour for hour in published if hour in hours]
    window = timedelta(days=table.dedup_window_days)
    return [hour for hour in published if min(hours) - window <= hour <= max(hours) + window]


def _contents(context: RunContext, table: Table, txn: Transaction) -> dict[datetime, Content]:
    """Hour -> rows and checksum, from the ledger; computed from the table when the ledger has none."""
    states = context.ledger.state(table.name)
    if states:
        return {hour: Content.of(state) for hour, state in states.items()}
    return checksums.by_hour(context.read(table, txn.version), table)


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


def _correct(batch: Batch, contested: DataFrame) -> None:
    """Publish the new rows of uncontested keys and the winning rows of contested keys."""
    table, key, same_row = batch.table, batch.key, [*batch.key, "_hash"]
    records = _landed_records(batch, contested)
    before = _hashed(batch.published().join(contested, key, "left_semi"), table).persist()
    after = _hashed(_winning_rows(batch, records, before), table).persist()
    removed = before.join(after, same_row, "left_anti").select(*same_row).persist()
    added = [batch.new.join(contested, key, "left_anti"), after.join(before, same_row, "left_anti")]
    staged, rewritten = _stage_correction(batch, added, removed)
    unequal = winners.smallest(records, table).where("_unequal").count()
    batch.entry.contradictions, batch.entry.corrections = unequal, removed.count()
    audit = _audit(batch, staged)
    verdict = replace(audit.verdict, failures=[*audit.verdict.failures, *winners.warning(unequal)])
    _publish(batch, staged, replace(audit, verdict=verdict), rewritten)
    for frame in (contested, before, after, removed):
        frame.unpersist()


def _winning_rows(batch: Batch, records: DataFrame, published: DataFrame) -> DataFrame:
    context, table = batch.context, batch.table
    kept_from = context.ledger.kept_from(table.inputs[0].table.name)
    complete_from = kept_from and kept_from + winners.landed_before(context.settings, table)
    return winners.settle(records, table, context.transform(table), published, complete_from)


def _stage_correction(batch: Batch, added: list[DataFrame], removed: DataFrame) -> tuple[DataFrame, DataFrame | None]:
    """Stage the added rows, and rewrite the files that hold removed rows without these rows.

    Returns the staged rows, and all rows of the rewritten files as they were (None when no file is rewritten).
    """
    table, hours = batch.table, in_hours(batch.table, batch.published_hours)
    rewritten = None if removed.isEmpty() else batch.txn.read_for_rewrite(hours, removed, batch.key)
    if rewritten is not None:
        added = [*added, _hashed(rewritten, table).join(removed, [*batch.key, "_hash"], "left_anti")]
    whole = reduce(DataFrame.unionByName, [rows.select(*table.column_names) for rows in added])
    partitioned = range_partition(whole, table, len({*batch.hours, *batch.published_hours}))
    return batch.txn.stage(drop_equal_rows(partitioned, table)), rewritten


def _hashed(rows: DataFrame, table: Table) -> DataFrame:
    return rows.withColumn("_hash", checksums.row_hash(table.columns))


def _landed_records(batch: Batch, contested: DataFrame) -> DataFrame:
    """All landed records of the contested keys, also those of hours that this table has not read yet.

    So the same row wins in every run, in whatever order runs process the hours.
    """
    source = batch.table.inputs[0].table
    hours = [*batch.hours, *batch.published_hours]
    first = as_literal(winners.landed_from(batch.context.settings, batch.table, hours), source)
    landed = batch.context.read(source, batch.entry.input_versions[source.name], f"{source.hour} >= {first}")
    return landed.join(contested, batch.key, "left_semi")


def _audit(batch: Batch, staged: DataFrame) -> Audit:
    return audited(batch.context, batch.table, staged, batch.txn.staged_hours(batch.table.hour))


def _publish(batch: Batch, staged: DataFrame, audit: Audit, rewritten: DataFrame | None = None) -> None:
    """Enforce the verdict of the audit, then commit the staged rows in place of the rows of rewritten files.

    Raises GateFailed when the verdict is negative.
    """
    context, table, entry, txn = batch.context, batch.table, batch.entry, batch.txn
    added = audit.contents
    removed = checksums.by_hour(rewritten, table) if rewritten is not None else {}
    enforce(context, table, staged, entry, audit.verdict)
    copied_rows = sum(c.rows for c in removed.values()) - (entry.corrections or 0)
    entry.rows_written = sum(c.rows for c in added.values()) - copied_rows
    hours = sorted({*added, *removed})
    if hours:
        changed = staged if rewritten is None else differing(rewritten, staged)
        rows_of_hours = txn.read(in_hours(table, hours)).unionByName(staged)
        entry.affected_hours = {table.hour: hours, **affected_elsewhere(table, changed, rows_of_hours)}
    else:
        txn.keep_partitions(set(), table.hour)
    before = _contents(context, table, txn)
    nothing = Content()
    after = {h: before.get(h, nothing) - removed.get(h, nothing) + added.get(h, nothing) for h in hours}
    publish(context, table, txn, entry, after)


def drop_equal_rows(partitioned: DataFrame, table: Table) -> DataFrame:
    """Each row once, in file order. Equal rows are in one range partition already, so Spark does not shuffle again."""
    return sort_within_tasks(partitioned.dropDuplicates(list(table.column_names)), table)


def differing(old: DataFrame, new: DataFrame) -> DataFrame:
    """The rows that are in only one of two DataFrames with the same columns."""
    return old.exceptAll(new).unionByName(new.exceptAll(old))


def affected_elsewhere(table: Table, changed: DataFrame, rows: DataFrame) -> dict[str, list[datetime]]:
    """Column -> hours by that column, other than the table's own, that a change affects.

    changed: the rows that change. rows: all rows of their hours. Empty when the write mode has no hook for it.
    """
    if not isinstance(table.write, InsertNew) or table.write.affected_hours is None:
        return {}
    column = table.write.affected_by
    hours = table.write.affected_hours(changed, rows).select(column).where(f"{column} IS NOT NULL").distinct()
    return {column: sorted(checksums.as_hour(row[0]) for row in hours.collect())}
