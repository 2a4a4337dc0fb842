"""One row per impression with at least one heartbeat: its beats collapsed to a time on post.

The set of beats seen is kept as bit words (bit b of word w is beat 64 w + b), so that a beat repeated, late or
replayed in another hour never counts twice, long after the raw beats are gone. Folding is a bitwise OR.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Layer, MergeAggregate, Table
from etl.subjects.feed import events
from etl.subjects.feed.columns import columns


def combine(existing: DataFrame, batch: DataFrame) -> DataFrame:
    """Two sets of rows, at most one per impression each -> their fold; the same whichever comes first."""
    union = existing.select(*TABLE.column_names).unionByName(batch.select(*TABLE.column_names))
    merged = F.expr(
        "aggregate(collect_list(beat_words), CAST(array() AS ARRAY<BIGINT>), (a, b) -> zip_with(a, b, "
        "(x, y) -> coalesce(x, 0L) | coalesce(y, 0L)))"
    )
    folded = union.groupBy("impression_id", "impression_hour").agg(
        F.min("viewer_id").alias("viewer_id"),
        F.max("viewport_pct").alias("viewport"),
        F.bool_or("was_full_view").alias("was_full_view"),
        merged.alias("beat_words"),
    )
    return _measured(folded)


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
FIRST_WORDS = 8  # of 64 beats each: the first two minutes
FULL_VIEW = "0.99"
BEAT_MS = 250


def transform(records: DataFrame) -> DataFrame:
    """Accepted heartbeats, repeats and all -> one row per impression.

    Aggregates are of fixed width, so that beats fold on the map side and never sort: the first words are one column
    each. Beats beyond them, minutes into a post, are few and take a path of their own.
    """
    bit = "shiftleft(1L, CAST(beat_seq % 64 AS INT))"
    words = [F.expr(f"bit_or(IF(beat_seq DIV 64 = {w}, {bit}, 0L))").alias(f"word_{w}") for w in range(FIRST_WORDS)]
    folded = records.groupBy(*KEY).agg(
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
        folded.join(later.hint("shuffle_hash"), list(KEY), "left")
        .withColumn("beat_words", F.expr(_dense()))
        .withColumn("was_full_view", F.expr(f"viewport >= {FULL_VIEW}"))
    )


def _dense() -> str:
    """Words 0 to the last one, as an array; NULL where a long view was without a beat is a word of none."""
    first = ", ".join(f"word_{w}" for w in range(FIRST_WORDS))
    rest = f"transform(sequence({FIRST_WORDS}L, last DIV 64), w -> coalesce(by_word[w], 0L))"
    return (
        f"IF(last < {64 * FIRST_WORDS}, slice(array({first}), 1, CAST(last DIV 64 AS INT) + 1), "
        f"concat(array({first}), {rest}))"
    )


def _measured(folded: DataFrame) -> DataFrame:
    beats = F.expr("aggregate(beat_words, 0, (n, w) -> n + bit_count(w))")
    return (
        folded.withColumn("dwell_ms", (beats * BEAT_MS).cast("int"))
        .withColumn("viewport_pct", F.round("viewport", 2).cast("decimal(5,2)"))
        .select(*TABLE.column_names)
    )
