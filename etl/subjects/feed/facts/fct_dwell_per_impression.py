"""One row per impression with at least one heartbeat: the time the viewer spent on the post.

The set of beats is stored as bit words (bit b of word w is beat 64 w + b). So a duplicate, late-arriving or replayed
beat never counts twice, even long after the raw beats are gone. Two sets are merged with a bitwise OR.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Layer, MergeAggregate, Table
from etl.subjects.feed import events
from etl.subjects.feed.columns import columns


def combine(existing: DataFrame, batch: DataFrame) -> DataFrame:
    """Merge two sets of rows, each with at most one row per impression. The order of the arguments does not matter."""
    union = existing.select(*TABLE.column_names).unionByName(batch.select(*TABLE.column_names))
    merged = F.expr(
        "aggregate(collect_list(beat_words), CAST(array() AS ARRAY<BIGINT>), (a, b) -> zip_with(a, b, "
        "(x, y) -> coalesce(x, 0L) | coalesce(y, 0L)))"
    )
    aggregated = union.groupBy("impression_id", "impression_hour").agg(
        F.min("viewer_id").alias("viewer_id"),
        F.max("viewport_pct").alias("viewport"),
        F.bool_or("was_full_view").alias("was_full_view"),
        merged.alias("beat_words"),
    )
    return _measured(aggregated)


TABLE = Table(
    name="fct_dwell_per_impression",
    layer=Layer.FACTS,
    columns=columns(
        "impression_id",
        "viewer_id",
        "dwell_ms",
        "viewport_pct",
        "was_full_view",
        "beat_words",
        "impression_hour",
    ),
    key=("impression_id",),
    write=MergeAggregate(combine),
    owner="ranking",
    partition=("impression_hour",),
    cluster=("viewer_id", "impression_id"),
    event=events.HEARTBEATS,
    retention_days=30,
)
KEY = ("impression_id", "impression_hour")
FIRST_WORDS = 8  # 64 beats each, so the first two minutes
FULL_VIEW = "0.99"
BEAT_MS = 250


def transform(records: DataFrame) -> DataFrame:
    """Accepted heartbeats, including duplicates -> one row per impression.

    Each of the first words is a column of its own. So the aggregates have a fixed width, and Spark aggregates beats on
    the map side without a sort. Later beats, minutes into a post, are few; they are aggregated separately.
    """
    bit = "shiftleft(1L, CAST(beat_seq % 64 AS INT))"
    words = [F.expr(f"bit_or(IF(beat_seq DIV 64 = {w}, {bit}, 0L))").alias(f"word_{w}") for w in range(FIRST_WORDS)]
    aggregated = records.groupBy(*KEY).agg(
        F.min("viewer_id").alias("viewer_id"),
        F.max("viewport_pct").alias("viewport"),
        F.max("beat_seq").alias("last"),
        *words,
    )
    later = (
        records.where(f"beat_seq >= {64 * FIRST_WORDS}")
        .groupBy(*KEY, F.expr("beat_seq DIV 64").alias("word"))
        .agg(F.expr(f"bit_or({bit})").alias("bits"))
        .groupBy(*KEY)
        .agg(F.map_from_entries(F.collect_list(F.struct("word", "bits"))).alias("by_word"))
    )
    return _measured(
        aggregated.join(later.hint("shuffle_hash"), list(KEY), "left")
        .withColumn("beat_words", F.expr(_dense()))
        .withColumn("was_full_view", F.expr(f"viewport >= {FULL_VIEW}"))
    )


def _dense() -> str:
    """SQL for the array of words from 0 to the last one. A word without a beat is 0."""
    first = ", ".join(f"word_{w}" for w in range(FIRST_WORDS))
    rest = f"transform(sequence({FIRST_WORDS}L, last DIV 64), w -> coalesce(by_word[w], 0L))"
    return (
        f"IF(last < {64 * FIRST_WORDS}, slice(array({first}), 1, CAST(last DIV 64 AS INT) + 1), "
        f"concat(array({first}), {rest}))"
    )


def _measured(aggregated: DataFrame) -> DataFrame:
    beats = F.expr("aggregate(beat_words, 0, (n, w) -> n + bit_count(w))")
    return (
        aggregated.withColumn("dwell_ms", (beats * BEAT_MS).cast("int"))
        .withColumn("viewport_pct", F.round("viewport", 2).cast("decimal(5,2)"))
        .select(*TABLE.column_names)
    )
