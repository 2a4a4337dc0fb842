"""Which record of an id stands: the one with the smallest (landed hour, canonical text), whatever was processed first.

Runs and backfills both decide here, so that both ways in end with the same rows (docs/decisions/0016-one-result.md).
A key is *contested* when records of it are unequal; what a record says of its own arrival (file, hour) is not compared.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.engine.delta.checksums import row_hash
from etl.engine.jobs import ddl
from etl.engine.quality.gate import Failure
from etl.model.contract import Column as Field
from etl.model.contract import Event, Table
from etl.model.privacy import REPLACEMENT_IDS_BELOW, viewer_column

LANDED_BEHIND = 1  # hours: an event may lie minutes after the end of the hour it landed in
RULE = "records_of_a_key_are_equal"


def canonical_text(event: Event) -> Column:
    """A typed record as JSON: keys sorted, decimals without trailing zeros, times in UTC to the microsecond."""
    fields = sorted(event.fields, key=lambda field: field.name)
    members = [F.concat(F.lit(f'"{f.name}":'), F.coalesce(_json(f), F.lit("null"))) for f in fields]
    return F.concat(F.lit("{"), F.concat_ws(",", *members), F.lit("}"))


def _json(field: Field) -> Column:
    """A value as JSON; NULL where the value is."""
    value, kind = F.col(field.name), field.type.split("(")[0]
    if kind == "TIMESTAMP":
        return F.date_format(value, "'\"'yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z\"'")
    if kind == "DECIMAL" and not field.type.endswith(",0)"):
        return F.rtrim(F.rtrim(value.cast("string"), F.lit("0")), F.lit("."))
    if kind in ("STRING", "DATE"):
        quoted = F.to_json(F.array(value.cast("string")))
        return F.substring(quoted, F.lit(2), F.length(quoted) - 2)
    return F.to_json(value) if kind.startswith("ARRAY") else value.cast("string")


def landed_from(table: Table, hours: list[datetime]) -> datetime:
    """The first landed hour in which a record of a key that has a row in some hours may lie."""
    return min(hours) - timedelta(days=table.dedup_window_days, hours=LANDED_BEHIND)


def contested(rows: DataFrame, key: tuple[str, ...], columns: tuple[Field, ...]) -> DataFrame:
    """The keys of which rows differ in some columns."""
    hashed = rows.select(*key, row_hash(columns).alias("_hash"))
    range_partition = hashed.groupBy(*key).agg(F.min("_hash").alias("_least"), F.max("_hash").alias("_most"))
    return range_partition.where("_least <> _most").select(*key)


def settle(
    candidates: DataFrame,
    table: Table,
    transform: Callable[[DataFrame], DataFrame],
    published: DataFrame,
    kept_from: datetime | None,
) -> DataFrame:
    """The rows that stand, from all records (of the table's first input) and all published rows of some keys.

    A published row stands when the records do not tell which came first: retention took the earliest of them
    (those landed before `kept_from`), erasure changed one of several in the first hour, or one alone is left.
    """
    before = published.groupBy(*table.key).agg(F.min(table.hour).alias("_hour"))
    best = smallest(candidates, table).join(before, list(table.key), "left")
    lost = F.col("_hour") < F.lit(kept_from) + F.expr(f"INTERVAL {LANDED_BEHIND} HOUR") if kept_from else F.lit(False)
    stands = F.col("_hour").isNotNull() & (~F.col("_unequal") | F.col("_unsure") | lost)
    made = transform(best.where(~stands).select(*candidates.columns))
    kept = published.join(best.where(stands).select(*table.key), list(table.key), "left_semi")
    return ddl.conform(made, table).unionByName(kept.select(*table.column_names))


def smallest(candidates: DataFrame, table: Table) -> DataFrame:
    """The one record of each key that stands, with `_unequal` (others differ) and `_unsure`.

    `_unsure`: of several in the first landed hour one is an erased person's, so that its text is not what it was.
    """
    source = table.inputs[0].table
    assert source.event
    by_key, in_hour = Window.partitionBy(*table.key), Window.partitionBy(*table.key, source.hour)
    whose = viewer_column(source.column_names)
    erased = F.col(whose) < REPLACEMENT_IDS_BELOW if whose else F.lit(False)
    differ = {w: F.min("_text").over(w) != F.max("_text").over(w) for w in (by_key, in_hour)}
    return (
        candidates.withColumn("_text", canonical_text(source.event))
        .withColumn("_unequal", differ[by_key])
        .withColumn("_unsure", differ[in_hour] & F.max(erased).over(in_hour))
        .withColumn("_rank", F.row_number().over(by_key.orderBy(source.hour, "_text")))
        .where("_rank = 1")
        .drop("_rank", "_text")
    )


def warning(keys: int) -> list[Failure]:
    """What the gate says of contested keys; nothing when there are none."""
    why = "Unequal records of one key: the smallest by (landed hour, canonical text) stands."
    return [Failure(RULE, "warning", why, keys, None, [])] if keys else []
