"""SCD type 2 as a pure function of a change log. The result does not depend on order, batches or duplicates.

Versions are computed from *all* changes of a key and never patched. So a late-arriving change gets its place between
the others, several changes of one key in one batch all survive, and a replay gives the same rows (feed specification,
section 3).
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.model.contract import Table

CLOSING = ("delete", "retire")


def payload_hash(table: Table) -> Column:
    """A 64-bit hash of op and the tracked columns of a change.

    It includes whether each column is NULL: xxhash64 skips NULLs, and ('x', NULL) must differ from (NULL, 'x').
    """
    return F.xxhash64("op", *_tracked(table))


def _tracked(table: Table) -> list[Column]:
    return [part for c in table.versions.tracked for part in (F.col(c).isNull(), F.col(c))]


def resolve(changes: DataFrame, table: Table) -> DataFrame:
    """One change per (key, effective_ts). Of contradicting payloads, the one with the largest hash always wins."""
    by = [*table.versions.natural_key, "effective_ts"]
    kept = [c for c in dict.fromkeys((*table.versions.tracked, "op")) if c not in by]
    best = changes.groupBy(*by).agg(
        F.max_by(F.struct(*kept), payload_hash(table)).alias("winner"),
        F.count_distinct(payload_hash(table)).alias("payloads"),
        F.count("*").alias("records"),
    )
    return best.select(*by, "payloads", "records", "winner.*")


def counts(changes: DataFrame, table: Table) -> tuple[int, int]:
    """The number of changes, and of (key, effective_ts) pairs that have more than one payload."""
    totals = resolve(changes, table).agg(F.coalesce(F.sum("records"), F.lit(0)), F.count_if(F.col("payloads") > 1))
    records, contradictions = totals.collect()[0]
    return records, contradictions


def versions(changes: DataFrame, table: Table) -> DataFrame:
    """Changes (natural key, tracked columns, effective_ts, op) -> versions.

    Adds valid_from (inclusive), valid_to (exclusive, NULL while open), is_current, is_deleted and the surrogate.
    Consecutive equal changes become one version. A delete or retire closes a version; a later upsert opens a new one.
    """
    timeline = Window.partitionBy(*table.versions.natural_key).orderBy("effective_ts")
    state = F.when(F.col("op").isin(*CLOSING), F.lit(None)).otherwise(payload_hash(table))
    steps = (
        resolve(changes, table)
        .withColumn("_state", state)
        .withColumn("_before", F.lag("_state").over(timeline))
        .where("NOT _state <=> _before")
        .withColumn("valid_to", F.lead("effective_ts").over(timeline))
        .withColumn("_next", F.lead("op").over(timeline))
        .where("_state IS NOT NULL")
    )
    dated = steps.withColumn("valid_from", F.col("effective_ts")).select(
        "*",
        F.col("valid_to").isNull().alias("is_current"),
        F.coalesce(F.col("_next").isin(*CLOSING), F.lit(False)).alias("is_deleted"),
    )
    if not table.versions.surrogate:
        return dated
    return dated.withColumn(
        table.versions.surrogate, F.xxhash64(*table.versions.natural_key, F.unix_micros("valid_from"))
    )


def merge_adjacent(rows: DataFrame, table: Table) -> DataFrame:
    """Merge adjacent versions with equal tracked columns into one, as `versions` does."""
    timeline = Window.partitionBy(*table.versions.natural_key).orderBy("valid_from")
    state = F.xxhash64(*_tracked(table))
    goes_on = (
        F.lag("_state").over(timeline).eqNullSafe(F.col("_state"))
        & F.lag("valid_to").over(timeline).eqNullSafe(F.col("valid_from"))
        & ~F.lag("is_deleted").over(timeline)
    )
    marked = rows.withColumn("_state", state).withColumn("_starts", ~F.coalesce(goes_on, F.lit(False)))
    numbered = marked.withColumn("_number", F.count_if("_starts").over(timeline))
    ending = ("valid_to", "is_current", "is_deleted")
    first = [
        F.min_by(c, "valid_from").alias(c) for c in rows.columns if c not in (*table.versions.natural_key, *ending)
    ]
    last = [F.max_by(c, "valid_from").alias(c) for c in ending]
    return numbered.groupBy(*table.versions.natural_key, "_number").agg(*first, *last).select(*rows.columns)
