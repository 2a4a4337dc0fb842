"""Viewers that were erased, known by a salted hash only. What lands of them still counts, but as a stand-in's.

Every job that reads landed files asks it, so neither a late record, a replayed file nor a backfill brings one back.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.contract import Event
from etl.engine import delta
from etl.privacy import STAND_INS_BELOW, by_column, viewer_column

SCHEMA = "salt STRING, bucket INT, digest STRING, erased_at TIMESTAMP"
BUCKETS = 65536  # a cheap hash first: SHA-256 is asked of one record in so many only
NUMBER = "-?[0-9]+"


@dataclass(frozen=True)
class Suppressed:
    """The salt of a lake and the digests of the viewers erased from it, with the buckets they fall in."""

    salt: str
    buckets: tuple[int, ...]
    digests: tuple[str, ...]

    def digest(self, viewer: Column) -> Column:
        """What a viewer is known by."""
        return F.sha2(F.concat_ws(":", F.lit(self.salt), viewer.cast("string")), 256)

    def has(self, viewer: Column) -> Column:
        """Whether a viewer (BIGINT) was erased; NULL was not."""
        found = bucket(viewer).isin(*self.buckets) & self.digest(viewer).isin(*self.digests)
        return F.coalesce(found, F.lit(False))

    def has_any(self, text: Column) -> Column:
        """Whether any number in a text is that of an erased viewer. Slow: for what cannot be parsed."""
        known = F.exists(numbers(text), lambda n: self.digest(n).isin(*self.digests))
        unsigned = F.exists(numbers(text), lambda n: self.digest(F.ltrim(n, F.lit("-"))).isin(*self.digests))
        return F.coalesce(known | unsigned, F.lit(False))

    def stand_in(self, viewer: Column, by: Column) -> Column:
        """The BIGINT that takes a viewer's place on rows with one value of `by`."""
        mixed = F.sha2(F.concat_ws(":", F.lit(self.salt), viewer.cast("string"), by.cast("string")), 256)
        return F.lit(STAND_INS_BELOW - 1) - F.conv(F.substring(mixed, 1, 15), 16, 10).cast("bigint")


def numbers(text: Column) -> Column:
    """Every number in a text, as text."""
    return F.regexp_extract_all(text, F.lit(f"({NUMBER})"))


def bucket(viewer: Column) -> Column:
    """Sixteen bits of a hash of a viewer."""
    return F.pmod(F.xxhash64(viewer.cast("bigint")), F.lit(BUCKETS)).cast("int")


def place(lake: str) -> str:
    """Where a lake keeps its list."""
    return f"{lake}/_erasure/suppressed"


def load(spark: SparkSession, lake: str) -> Suppressed | None:
    """The list of a lake; None when nobody was erased from it."""
    if not delta.is_table(spark, place(lake)):
        return None
    rows = delta.read(spark, place(lake)).collect()
    if not rows:
        return None
    return Suppressed(rows[0]["salt"], tuple(r["bucket"] for r in rows), tuple(r["digest"] for r in rows))


def apply(read: DataFrame, event: Event, suppressed: Suppressed | None) -> DataFrame:
    """Records as parsed -> the same with stand-ins for erased viewers, and without the text that names one."""
    names = [f.name for f in event.fields]
    whose, by = viewer_column(names), by_column(names)
    if suppressed is None or whose is None or by is None:
        return read
    viewer = F.col(whose)
    other = [f.name for f in event.fields if f.privacy == "viewer" and f.name != whose]
    unread = F.col("_corrupt") | viewer.isNull()
    marked = read.withColumn("_erased", suppressed.has(viewer))
    named = F.col("_erased") | F.when(unread, suppressed.has_any(F.col("raw"))).otherwise(F.lit(False))
    changed = {whose: F.when(F.col("_erased"), suppressed.stand_in(viewer, F.col(by))).otherwise(viewer)}
    changed |= {name: F.when(~F.col("_erased"), F.col(name)) for name in other}
    changed["raw"] = F.when(~named, F.col("raw"))
    return marked.withColumns(changed).drop("_erased")
