"""Decides which of several unequal records of a key wins: the one with the smallest (landed hour, canonical text).

The order of processing does not matter. Runs and backfills both decide here, so that both end with the same rows
(docs/decisions/0016-one-result.md). A key is *contested* when its records are unequal. The file and the landed hour of
a record are not compared.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.conf import Settings
from etl.engine.delta.checksums import row_hash
from etl.engine.jobs import ddl
from etl.engine.quality.verdict import Failure
from etl.model.contract import Column as Field
from etl.model.contract import Event, Table
from etl.model.privacy import REPLACEMENT_IDS_BELOW, viewer_column

RULE = "records_of_a_key_are_equal"


def canonical_text(event: Event) -> Column:
    """A typed record as JSON text: sorted keys, decimals without trailing zeros, times in UTC with microseconds."""
    fields = sorted(event.fields, key=lambda field: field.name)
    members = [F.concat(F.lit(f'"{f.name}":'), F.coalesce(_json(f), F.lit("null"))) for f in fields]
    return F.concat(F.lit("{"), F.concat_ws(",", *members), F.lit("}"))


def _json(field: Field) -> Column:
    """A value as JSON text; NULL for NULL."""
    value, kind = F.col(field.name), field.type.split("(")[0]
    if kind == "TIMESTAMP":
        return F.date_format(value, "'\"'yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z\"'")
    if kind == "DECIMAL" and not field.type.endswith(",0)"):
        return F.rtrim(F.rtrim(value.cast("string"), F.lit("0")), F.lit("."))
    if kind in ("STRING", "DATE"):
        quoted = F.to_json(F.array(value.cast("string")))
        return F.substring(quoted, F.lit(2), F.length(quoted) - 2)
    return F.to_json(value) if kind.startswith("ARRAY") else value.cast("string")


def landed_behind(settings: Settings) -> int:
    """Hours that a record may land before its own hour: its time may lie minutes after the end of its landed hour."""
    return 1 + settings.future_minutes // 60


def landed_before(settings: Settings, table: Table) -> timedelta:
    """How long a record may land before the hour of its row. Of an invoice this is days: its day may lie ahead."""
    event = table.inputs[0].table.event
    days = settings.ledger_ahead_days if event and event.not_ahead else 0
    return max(timedelta(days=days), timedelta(hours=landed_behind(settings)))


def landed_from(settings: Settings, table: Table, hours: list[datetime]) -> datetime:
    """The first landed hour that may hold a record of a key that has a row in some hours."""
    return min(hours) - timedelta(days=table.dedup_window_days) - landed_before(settings, table)


def contested(rows: DataFrame, key: tuple[str, ...], columns: tuple[Field, ...]) -> DataFrame:
    """The keys whose rows differ in some of the columns."""
    hashed = rows.select(*key, row_hash(columns).alias("_hash"))
    by_key = hashed.groupBy(*key).agg(F.min("_hash").alias("_min"), F.max("_hash").alias("_max"))
    return by_key.where("_min <> _max").select(*key)


def settle(
    candidates: DataFrame,
    table: Table,
    transform: Callable[[DataFrame], DataFrame],
    published: DataFrame,
    complete_from: datetime | None,
) -> DataFrame:
    """The winning rows of some keys.

    candidates: all records of the keys, from the table's first input. published: all published rows of the keys.
    complete_from: retention kept every record of rows from this hour on; None when it removed nothing.

    A published row wins when the records cannot tell which one was first: the earliest record may be removed by
    retention, erasure changed one of several records of the first hour, or all records that are left are equal.
    """
    published_hours = published.groupBy(*table.key).agg(F.min(table.hour).alias("_hour"))
    best = smallest(candidates, table).join(published_hours, list(table.key), "left")
    may_be_removed = F.lit(False)
    if complete_from:
        may_be_removed = F.col("_hour") < F.lit(complete_from)
    published_wins = F.col("_hour").isNotNull() & (~F.col("_unequal") | F.col("_erased") | may_be_removed)
    made = transform(best.where(~published_wins).select(*candidates.columns))
    kept = published.join(best.where(published_wins).select(*table.key), list(table.key), "left_semi")
    return ddl.conform(made, table).unionByName(kept.select(*table.column_names))


def smallest(candidates: DataFrame, table: Table) -> DataFrame:
    """The winning record of each key, with two flags.

    `_unequal`: the key is contested. `_erased`: the records of its first landed hour are unequal, and one of them names
    an erased person, so its text is not the original one.
    """
    source = table.inputs[0].table
    assert source.event
    by_key, in_hour = Window.partitionBy(*table.key), Window.partitionBy(*table.key, source.hour)
    person = viewer_column(source.column_names)
    is_erased = F.col(person) < REPLACEMENT_IDS_BELOW if person else F.lit(False)
    differ = {w: F.min("_text").over(w) != F.max("_text").over(w) for w in (by_key, in_hour)}
    return (
        candidates.withColumn("_text", canonical_text(source.event))
        .withColumn("_unequal", differ[by_key])
        .withColumn("_erased", differ[in_hour] & F.max(is_erased).over(in_hour))
        .withColumn("_rank", F.row_number().over(by_key.orderBy(source.hour, "_text")))
        .where("_rank = 1")
        .drop("_rank", "_text")
    )


def warning(keys: int) -> list[Failure]:
    """A warning of the gate about contested keys; empty when there are none."""
    why = "Unequal records of one key: the smallest by (landed hour, canonical text) wins."
    return [Failure(RULE, "warning", why, keys, None, [])] if keys else []
