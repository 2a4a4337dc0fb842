"""Compacts change logs: hours past the deadline keep one record per key and instant, the one that dimensions use.

Of all records of a (key, effective_ts), `scd2.resolve` uses the one with the largest hash, in any order. So removing
the others gives the same versions, now and after any late-arriving change (docs/decisions/0006).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from etl.engine.delta import checksums
from etl.engine.delta.checksums import Content
from etl.engine.delta.partitions import in_hours
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import ddl
from etl.engine.jobs.run_context import metadata, record
from etl.engine.spark.layout import lay_out
from etl.model.contract import Scd2, Table
from etl.operations.backfill import hours as lake_hours
from etl.operations.retention.action import Action
from etl.operations.retention.window import DAY, Window, tables
from etl.transforms import scd2

STEP = "change logs"


def plan(window: Window) -> Iterator[Action]:
    """Yield an action for each change log with hours that are past the deadline of facts and not compacted yet."""
    for dimension in tables(window.context):
        if not isinstance(dimension.write, Scd2):
            continue
        log = dimension.inputs[0].table
        done = [e.compacted_to for e in window.context.ledger.published(log.name) if e.compacted_to]
        limit = window.now - window.context.settings.facts_days * DAY
        partitions = lake_hours.partitions(window.context, log)
        first = max(done, default=None)
        old = sorted(h for h in partitions if (first is None or first <= h) and h < limit)
        if old and not window.due[dimension.name]:
            yield _action(window, dimension, log, old, limit, sum(partitions[h][0] for h in old))


def _action(window: Window, dimension: Table, log: Table, old: list[datetime], limit: datetime, rows: int) -> Action:
    what = f"{len(old)} hours before {limit:%Y-%m-%dT%H}, {rows} rows: one row per key and instant stays"
    return Action(STEP, log.name, what, lambda: compact_changelog(window, dimension, log, old, limit))


def compact_changelog(window: Window, dimension: Table, log: Table, old: list[datetime], limit: datetime) -> None:
    """Rewrite hours of a change log with only the records that versions of the dimension are made from."""
    context = window.context
    txn = Transaction(context.spark, context.uri(log))
    before = txn.read(in_hours(log, old))
    kept = needed(before, dimension)
    entry = context.begin(log)
    staged = txn.stage(lay_out(ddl.conform(kept, log), log, len(old)))
    contents = checksums.by_hour(staged, log)
    entry.published_hours = [contents.get(hour, Content()).state(hour) for hour in old]
    entry.rows_written = sum(content.rows for content in contents.values())
    entry.compacted_to = limit
    entry.metrics["rows_expired"] = float(before.count() - entry.rows_written)
    txn.remove(in_hours(log, old))
    entry.output_version = txn.commit(metadata(entry))
    record(context, entry, reason=f"retention: hours before {limit:%Y-%m-%dT%H} keep what versions are made from")


def needed(changes: DataFrame, dimension: Table) -> DataFrame:
    """Return the records of a change log that `scd2.resolve` uses; of equal records the one that landed first."""
    by = [*dimension.versions.natural_key, "effective_ts"]
    best = Over.partitionBy(*by).orderBy(F.desc(scd2.payload_hash(dimension)), "landed_hour", "source_file")
    ranked = changes.where("effective_ts IS NOT NULL").withColumn("_rank", F.row_number().over(best))
    return ranked.where("_rank = 1").drop("_rank")
