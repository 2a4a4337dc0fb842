"""Corrects a fact whose keys are contested: reads all records of these keys, and publishes the rows that win.

Unequal records of a key are rare. `winners` decides which record wins (docs/decisions/0016-one-result.md).
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from pyspark.sql import DataFrame

from etl.engine.delta import checksums
from etl.engine.delta.partitions import as_literal, in_hours
from etl.engine.jobs import winners
from etl.engine.jobs.fact_batch import Batch, audit_batch, drop_equal_rows, publish_batch
from etl.engine.spark.layout import range_partition
from etl.model.contract import Table


def correct(batch: Batch, contested: DataFrame) -> None:
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
    audit = audit_batch(batch, staged)
    verdict = replace(audit.verdict, failures=[*audit.verdict.failures, *winners.warning(unequal)])
    publish_batch(batch, staged, replace(audit, verdict=verdict), rewritten)
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
