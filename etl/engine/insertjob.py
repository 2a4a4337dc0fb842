"""Facts: add the rows whose key is not there yet, never change one.

Repeats of a record, which is what at-least-once delivery makes, are equal rows: they meet where rows are spread
over files anyway and one is kept, without a shuffle of their own. A key that comes with two payloads is rare: the
gate's own rule on the key finds it, and only then all keys are counted to keep the first that landed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from etl import catalog
from etl.contract import Table
from etl.engine import checksums, ddl, suites
from etl.engine.checksums import Content
from etl.engine.layout import in_order, spread
from etl.engine.ledger import Entry
from etl.engine.shards import by_person
from etl.engine.work import Work, as_literal, enforce, in_hours, judged, publish


class KeyRepeated(Exception):
    """A key came with more than one payload."""


def insert_new(work: Work, table: Table, entry: Entry) -> None:
    """Add what is new in the landed hours of an entry."""
    source = table.inputs[0].table
    landed = work.read(source, entry.input_versions[source.name], in_hours(source, entry.handled))
    if work.shard_of(table) and by_person(table) not in table.key:  # whose a row is, its first record says
        _insert(work, table, entry, first_landed(landed, table).where(work.mine(table)), repeats_only=False)
        return
    landed = landed.where(work.mine(table))
    try:
        _insert(work, table, entry, landed, repeats_only=True)
    except KeyRepeated:
        _insert(work, table, entry, first_landed(landed, table), repeats_only=False)


def _insert(work: Work, table: Table, entry: Entry, landed: DataFrame, repeats_only: bool) -> None:
    rows = ddl.conform(work.transform(table)(landed), table)
    counts = {checksums.as_hour(r[0]): r[1] for r in rows.groupBy(table.hour).count().collect()}
    entry.records_read = entry.records_read or sum(counts.values())
    txn = work.transaction(table)
    existing = txn.read(_where_keys_may_be(table, list(counts)))
    before = _contents(work, table, existing, list(counts))
    if before or table.once_within_days:
        rows = rows.join(existing.select(*table.key), list(table.key), "left_anti").select(*table.column_names)
    staged = txn.stage(_once(spread(rows, table, len(counts)), table))
    added = checksums.by_hour(staged, table)
    verdict = judged(work, table, staged)
    if repeats_only and verdict.broke(suites.KEY):
        raise KeyRepeated
    enforce(work, table, staged, entry, verdict)
    entry.rows_written = sum(c.rows for c in added.values())
    if added:
        entry.touched = {
            table.hour: sorted(added),
            **touched_elsewhere(table, staged, existing.where(in_hours(table, added)).unionByName(staged)),
        }
    else:
        txn.keep(set(), table.hour)
    publish(work, table, txn, entry, {h: before.get(h, Content()) + c for h, c in added.items()})


def _once(spread_out: DataFrame, table: Table) -> DataFrame:
    """Equal rows once: they are in the same range, so that nothing is shuffled again."""
    return in_order(spread_out.dropDuplicates(list(table.column_names)), table)


def _where_keys_may_be(table: Table, hours: list[datetime]) -> str:
    """Predicate of the hours in which the keys of rows of some hours may be already."""
    if not table.once_within_days or not hours:
        return in_hours(table, hours)
    apart = timedelta(days=table.once_within_days)
    first, last = as_literal(min(hours) - apart, table), as_literal(max(hours) + apart, table)
    return f"{table.hour} >= {first} AND {table.hour} <= {last}"


def first_landed(landed: DataFrame, table: Table) -> DataFrame:
    """One row per key: the first to land. Only the keys that repeat, a few, are sorted."""
    repeated = F.broadcast(landed.groupBy(*table.key).count().where("count > 1").select(*table.key))
    own = [c for c in landed.columns if c not in ("landed_hour", "source_file")]
    first = Window.partitionBy(*table.key).orderBy("landed_hour", F.xxhash64(*own))
    ranked = landed.join(repeated, list(table.key), "left_semi").withColumn("_rank", F.row_number().over(first))
    single = landed.join(repeated, list(table.key), "left_anti")
    return single.unionByName(ranked.where("_rank = 1").drop("_rank"))


def _contents(work: Work, table: Table, existing: DataFrame, hours: list[datetime]) -> dict[datetime, Content]:
    """What the hours hold now, by the ledger; counted anew where the ledger does not know."""
    known = work.ledger.state(table.name)
    if known:
        return {hour: Content.of(known[hour]) for hour in hours if hour in known}
    return checksums.by_hour(existing, table)


def touched_elsewhere(table: Table, changed: DataFrame, rows: DataFrame) -> dict[str, list[datetime]]:
    """Hours by another column that changed rows, among all rows, matter to; empty where no table reads by another."""
    wider = getattr(catalog.entry(table.name).module, "touched", None)
    if wider is None:
        return {}
    hours = wider(changed, rows).select("impression_hour").where("impression_hour IS NOT NULL").distinct().collect()
    return {"impression_hour": sorted(checksums.as_hour(r[0]) for r in hours)}
