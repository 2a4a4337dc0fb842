"""Facts: add the rows whose key is not there yet; replace a row only when an unequal record of its key comes before it.

Equal records of a key, which is what at-least-once delivery makes, are equal rows: they meet where rows are spread
over files anyway and one is kept, without a shuffle of their own. Of what is published, only the hours that hold keys
of the batch are compared with it. Unequal records of a key are rare: the gate's own rule on the key finds those of one
batch. Only then the records of these few keys are looked up, and `winners` says which one stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.engine.delta import checksums
from etl.engine.delta.checksums import Content
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import ddl, winners
from etl.engine.jobs.run_context import RunContext, as_literal, enforce, in_hours, judged, publish
from etl.engine.quality import suites
from etl.engine.quality.gate import Verdict
from etl.engine.spark.layout import in_order, range_partition
from etl.engine.state.entry import Entry
from etl.engine.state.shards import by_person
from etl.model.contract import InsertNew, Table

FEW_KEYS = 1_000_000  # are sent to every task; more are brought together with what they are compared with


@dataclass(frozen=True)
class Batch:
    """Rows that a run has for a table, and the transaction they become part of it in.

    hours: of the rows, with how many. known: key and hash of the published rows with a key of the batch, in the hours
    `found`; None when there are none.
    """

    context: RunContext
    table: Table
    entry: Entry
    txn: Transaction
    rows: DataFrame
    hours: dict[datetime, int]
    found: list[datetime]
    known: DataFrame | None = None

    @property
    def key(self) -> list[str]:
        return list(self.table.key)

    @property
    def new(self) -> DataFrame:
        """Rows whose key is not published."""
        return self.rows if self.known is None else self.rows.join(self.known, self.key, "left_anti")

    def published(self) -> DataFrame:
        """The published rows with a key of the batch, and others of their hours."""
        return self.txn.read(in_hours(self.table, self.found))


def insert_new(context: RunContext, table: Table, entry: Entry) -> None:
    """Add what is new in the landed hours of an entry."""
    source = table.inputs[0].table
    landed = context.read(source, entry.input_versions[source.name], in_hours(source, entry.processed_hours))
    if context.shard_of(table) and by_person(table) not in table.key:  # whose a row is, the record that stands says
        landed = _one_each(landed, table)
    _insert(context, table, entry, landed.where(context.mine(table)))


def _one_each(landed: DataFrame, table: Table) -> DataFrame:
    """Records, of each key with unequal ones only the one that stands among them."""
    event = table.inputs[0].table.event
    assert event
    contested = winners.contested(landed, table.key, event.fields)
    single = landed.join(contested, list(table.key), "left_anti")
    best = winners.smallest(landed.join(contested, list(table.key), "left_semi"), table)
    return single.unionByName(best.select(*landed.columns))


def _insert(context: RunContext, table: Table, entry: Entry, landed: DataFrame) -> None:
    batch = _batch(context, table, entry, ddl.conform(context.transform(table)(landed), table))
    try:
        contested = _contested(batch) or _add(batch)
        if contested is not None:
            _correct(batch, contested.persist())
    finally:
        if batch.known is not None:
            batch.known.unpersist()


def _add(batch: Batch) -> DataFrame | None:
    """Publish the rows of keys that are new; returns the keys with unequal rows instead, when there are any."""
    table = batch.table
    staged = batch.txn.stage(once(range_partition(batch.new, table, len(batch.hours)), table))
    verdict = judged(batch.context, table, staged)
    if verdict.broke(suites.KEY):
        return winners.contested(batch.rows, table.key, table.columns)
    _publish(batch, staged, verdict)
    return None


def _batch(context: RunContext, table: Table, entry: Entry, rows: DataFrame) -> Batch:
    counts = {checksums.as_hour(r[0]): r[1] for r in rows.groupBy(table.hour).count().collect()}
    entry.records_read = sum(counts.values())
    txn = context.transaction(table)
    txn.read(in_hours(table, counts))  # what another run adds to these hours meanwhile is a conflict
    found = _hours_with_keys(context, table, txn, rows, counts)
    batch = Batch(context, table, entry, txn, rows, counts, found)
    if not found:
        return batch
    hashed = checksums.row_hash(table.columns).alias("_hash")
    known = batch.published().join(_keys(rows, table, counts), batch.key, "left_semi").select(*batch.key, hashed)
    return replace(batch, known=known.persist())


def _hours_with_keys(
    context: RunContext, table: Table, txn: Transaction, rows: DataFrame, counts: dict[datetime, int]
) -> list[datetime]:
    """Hours in which keys of rows are published. Only keys are read of the table, and nothing where it is empty."""
    there = _where_keys_may_be(context, table, txn, list(counts))
    if not there:
        return []
    if not table.dedup_window_days:
        rows = rows.where(in_hours(table, there))
        counts = {hour: counts[hour] for hour in there}
    held = context.read(table, txn.version, in_hours(table, there)).select(*dict.fromkeys((*table.key, table.hour)))
    found = held.join(_keys(rows, table, counts), list(table.key), "left_semi").select(table.hour).distinct()
    return sorted(checksums.as_hour(r[0]) for r in found.collect())


def _keys(rows: DataFrame, table: Table, counts: dict[datetime, int]) -> DataFrame:
    keys = rows.select(*table.key)
    return F.broadcast(keys) if sum(counts.values()) <= FEW_KEYS else keys


def _where_keys_may_be(context: RunContext, table: Table, txn: Transaction, hours: list[datetime]) -> list[datetime]:
    """The published hours in which the keys of rows of some hours may be."""
    there = [hour for hour, content in _contents(context, table, txn).items() if content.rows]
    if not table.dedup_window_days or not hours:
        return [hour for hour in there if hour in hours]
    apart = timedelta(days=table.dedup_window_days)
    return [hour for hour in there if min(hours) - apart <= hour <= max(hours) + apart]


def _contents(context: RunContext, table: Table, txn: Transaction) -> dict[datetime, Content]:
    """What each hour holds, by the ledger; counted anew where the ledger does not know."""
    known = context.ledger.state(table.name)
    if known:
        return {hour: Content.of(state) for hour, state in known.items()}
    return checksums.by_hour(context.read(table, txn.version), table)


def _contested(batch: Batch) -> DataFrame | None:
    """The keys of which a published row differs, and then those that differ within the batch, too; None without any."""
    if batch.known is None:
        return None
    hashed = batch.rows.select(*batch.key, checksums.row_hash(batch.table.columns).alias("_own"))
    differing = hashed.join(batch.known, batch.key).where("_own <> _hash").select(*batch.key)
    if differing.isEmpty():
        return None
    return differing.unionByName(winners.contested(batch.rows, batch.table.key, batch.table.columns)).distinct()


def _correct(batch: Batch, contested: DataFrame) -> None:
    """Publish the rows of uncontested keys that are new, and those that stand of contested ones."""
    table, key, same = batch.table, batch.key, [*batch.key, "_hash"]
    records = _records(batch, contested)
    was = _hashed(batch.published().join(contested, key, "left_semi"), table).persist()
    now = _hashed(_settled(batch, records, was), table).persist()
    gone = was.join(now, same, "left_anti").select(*same).persist()
    added = [batch.new.join(contested, key, "left_anti"), now.join(was, same, "left_anti")]
    staged, taken = _restage(batch, added, gone)
    unequal = winners.smallest(records, table).where("_unequal").count()
    batch.entry.contradictions, batch.entry.corrections = unequal, gone.count()
    verdict = judged(batch.context, table, staged)
    _publish(batch, staged, replace(verdict, failures=[*verdict.failures, *winners.warning(unequal)]), taken)
    for frame in (contested, was, now, gone):
        frame.unpersist()


def _settled(batch: Batch, records: DataFrame, published: DataFrame) -> DataFrame:
    context, table = batch.context, batch.table
    kept_from = context.ledger.kept_from(table.inputs[0].table.name)
    return winners.settle(records, table, context.transform(table), published, kept_from)


def _restage(batch: Batch, added: list[DataFrame], gone: DataFrame) -> tuple[DataFrame, DataFrame | None]:
    """Stage rows with the others of files that hold rows which are gone; returns what is staged, and these files."""
    table = batch.table
    taken = None if gone.isEmpty() else batch.txn.read_for_rewrite(in_hours(table, batch.found), gone, batch.key)
    if taken is not None:
        added = [*added, _hashed(taken, table).join(gone, [*batch.key, "_hash"], "left_anti")]
    whole = reduce(DataFrame.unionByName, [rows.select(*table.column_names) for rows in added])
    return batch.txn.stage(once(range_partition(whole, table, len({*batch.hours, *batch.found})), table)), taken


def _hashed(rows: DataFrame, table: Table) -> DataFrame:
    return rows.withColumn("_hash", checksums.row_hash(table.columns))


def _records(batch: Batch, contested: DataFrame) -> DataFrame:
    """All that has landed of some keys, also in hours that this table has yet to read: they decide now as then.

    So every run that meets a key ends with the same row, in whatever order hours are processed.
    """
    source = batch.table.inputs[0].table
    first = as_literal(winners.landed_from(batch.table, [*batch.hours, *batch.found]), source)
    landed = batch.context.read(source, batch.entry.input_versions[source.name], f"{source.hour} >= {first}")
    return landed.join(contested, batch.key, "left_semi")


def _publish(batch: Batch, staged: DataFrame, verdict: Verdict, taken: DataFrame | None = None) -> None:
    """Commit staged rows in place of those of the files taken out, if the gate lets them pass."""
    context, table, entry, txn = batch.context, batch.table, batch.entry, batch.txn
    added = checksums.by_hour(staged, table)
    gone = checksums.by_hour(taken, table) if taken is not None else {}
    enforce(context, table, staged, entry, verdict)
    rewritten = sum(c.rows for c in gone.values()) - (entry.corrections or 0)
    entry.rows_written = sum(c.rows for c in added.values()) - rewritten
    hours = sorted({*added, *gone})
    if hours:
        changed = staged if taken is None else differing(taken, staged)
        around = txn.read(in_hours(table, hours)).unionByName(staged)
        entry.affected_hours = {table.hour: hours, **affected_elsewhere(table, changed, around)}
    else:
        txn.keep_partitions(set(), table.hour)
    before = _contents(context, table, txn)
    nothing = Content()
    after = {h: before.get(h, nothing) - gone.get(h, nothing) + added.get(h, nothing) for h in hours}
    publish(context, table, txn, entry, after)


def once(partitioned: DataFrame, table: Table) -> DataFrame:
    """Equal rows once: they are in the same range, so that nothing is shuffled again."""
    return in_order(partitioned.dropDuplicates(list(table.column_names)), table)


def differing(old: DataFrame, new: DataFrame) -> DataFrame:
    """Rows that are in one only."""
    return old.exceptAll(new).unionByName(new.exceptAll(old))


def affected_elsewhere(table: Table, changed: DataFrame, rows: DataFrame) -> dict[str, list[datetime]]:
    """Hours by another column that changed rows, among all rows, matter to; empty where no table reads by another."""
    wider = table.write.affected_hours if isinstance(table.write, InsertNew) else None
    if wider is None:
        return {}
    hours = wider(changed, rows).select("impression_hour").where("impression_hour IS NOT NULL").distinct().collect()
    return {"impression_hour": sorted(checksums.as_hour(r[0]) for r in hours)}
