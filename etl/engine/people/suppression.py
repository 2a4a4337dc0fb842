"""People that were erased, known by keyed digests only. What lands of them still counts, under a replacement id.

Every job that reads landed files asks it, so neither a late record, a replayed file nor a backfill brings one back.
The list is joined with the records, however long it is. Its key lies outside the lake: without the key nobody can tell
from the list, or from a replacement id, who was erased. Lists of former versions are salted SHA-256, which can be told
by trying ids; the next erasure or maintenance puts these digests under the key. The salt stays: with it rows that were
erased then keep their replacement ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as changed
from functools import cached_property
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.engine.delta import tables as delta
from etl.engine.people import keyed, keys
from etl.engine.people.keyed import Keyed
from etl.engine.spark import files
from etl.errors import ConfigError
from etl.model.contract import Event
from etl.model.privacy import REPLACEMENT_IDS_BELOW, ROLES, VIEWER, Role

SCHEMA = "digest BIGINT, erased_at TIMESTAMP"
KEY = "feed_etl.key"  # property: fingerprint of the key of the digests
SALT = "feed_etl.salt"  # property: of digests that were salted before they were put under the key
ERASED, SALTED, REPLACEMENT = "erased", "erased salted", "replacement"  # namespaces, see Role.namespace
REPLACEMENT_BITS = 60
NUMBER = "-?[0-9]+"


def key_pattern(role: Role) -> str:
    """Of a text, as a pattern: what comes before a number that is the id of a person in a role."""
    return rf'(?i:"(?:{"|".join(role.ids)})"\s*:\s*"?)'


@dataclass(frozen=True)
class SuppressionList:
    """The list of a lake, as to people in one role: digests under a key, some of them of a salted digest (all viewers);
    and a list of a former version.
    """

    spark: SparkSession
    secret: bytes | None
    digests: DataFrame | None
    salt: str | None
    former: DataFrame | None
    role: Role = VIEWER

    def for_role(self, role: Role) -> SuppressionList:
        """The same list, as to people in another role."""
        return changed(self, role=role)

    @property
    def own_salt(self) -> str | None:
        """The salt of people in this role: lists of former versions had viewers only."""
        return self.salt if self.role == VIEWER else None

    @cached_property
    def _keyed(self) -> Keyed:
        assert self.secret is not None
        return keyed.columns(self.spark, self.secret)

    def has(self, person: Column) -> Column:
        """Whether a person (BIGINT) was erased; NULL was not. Not for use inside a function of arrays."""
        return self._is_keyed(person) | self.is_salted(person)

    def _is_keyed(self, person: Column) -> Column:
        if self.digests is None:
            return F.lit(False)
        return F.coalesce(
            self._keyed.number(self.role.namespace(ERASED), person).isin(F.broadcast(self.digests)), F.lit(False)
        )

    def is_salted(self, person: Column) -> Column:
        """Whether a person was erased when the list was salted."""
        if self.own_salt is None:
            return F.lit(False)
        salted, found = F.sha2(F.concat_ws(":", F.lit(self.own_salt), person.cast("string")), 256), F.lit(False)
        if self.former is not None:
            found = found | salted.isin(F.broadcast(self.former))
        if self.digests is not None:
            found = found | self._keyed.number(SALTED, salted).isin(F.broadcast(self.digests))
        return F.coalesce(found & person.isNotNull(), F.lit(False))

    def replacement(self, person: Column, by: Column) -> Column:
        """The replacement id (BIGINT) of a person on rows with one value of `by`."""
        made = replacement(self._keyed, self.role, person, by) if self.secret else F.lit(None).cast("bigint")
        if self.own_salt is None:
            return made
        return F.when(self.is_salted(person), former_replacement(self.own_salt, person, by)).otherwise(made)

    def erased_among(self, ids: DataFrame) -> ErasedIds:
        """Who of the people in the one column of a frame was erased."""
        one = ids.toDF("id").where("id IS NOT NULL").distinct()
        asked = one.withColumn("salted", self.is_salted(F.col("id"))).withColumn("keyed", self._is_keyed(F.col("id")))
        rows = asked.where("salted OR keyed").collect()
        return ErasedIds(self, sorted(r["id"] for r in rows), sorted(r["id"] for r in rows if r["salted"]))


@dataclass(frozen=True)
class ErasedIds:
    """Erased people of a few rows by their ids, for texts that name them: all columns are those of `beside`."""

    suppressed: SuppressionList
    ids: list[int]
    salted: list[int]

    def with_helper_columns(self, rows: DataFrame) -> DataFrame:
        """Rows with what the other methods need; ids and key come as rows of a relation, which no plan shows."""
        lists = {
            name: pa.array([ids], pa.list_(pa.int64())) for name, ids in (("_ids", self.ids), ("_salted", self.salted))
        }
        frame = rows.sparkSession.createDataFrame(pa.table(lists))
        hashed = self.suppressed._keyed if self.suppressed.secret else Keyed(F.lit(b""), F.lit(b""))
        found = {name: frame.select(name).scalar() for name in lists}
        return rows.withColumns({**found, "_inner": hashed.inner, "_outer": hashed.outer})

    def has(self, person: Column) -> Column:
        """Whether a person (BIGINT) was erased; NULL was not."""
        return F.coalesce(F.array_contains(F.col("_ids"), person), F.lit(False))

    def replacement(self, person: Column, by: Column) -> Column:
        """As `SuppressionList.replacement`."""
        made = replacement(Keyed(F.col("_inner"), F.col("_outer")), self.suppressed.role, person, by)
        if self.suppressed.own_salt is None:
            return made
        former = former_replacement(self.suppressed.own_salt, person, by)
        return F.when(F.array_contains(F.col("_salted"), person), former).otherwise(made)


HELPER_COLUMNS = ("_ids", "_salted", "_inner", "_outer")


def replacement(hashed: Keyed, role: Role, person: Column, by: Column) -> Column:
    """A replacement id: below every id of a person, told by nobody without the key."""
    mixed = hashed.number(role.namespace(REPLACEMENT), person, F.coalesce(by.cast("string"), F.lit("")))
    return F.lit(REPLACEMENT_IDS_BELOW) + F.shiftright(mixed, keyed.MAX_BITS - REPLACEMENT_BITS)


def former_replacement(salt: str, person: Column, by: Column) -> Column:
    """The replacement id of who was erased when the list was salted."""
    mixed = F.sha2(F.concat_ws(":", F.lit(salt), person.cast("string"), by.cast("string")), 256)
    return F.lit(REPLACEMENT_IDS_BELOW - 1) - F.conv(F.substring(mixed, 1, 15), 16, 10).cast("bigint")


def numbers_in(text: Column) -> Column:
    """Every number in a text that may be an id (ARRAY<BIGINT>), with its sign and without."""
    found = F.regexp_extract_all(text, F.lit(f"({NUMBER})"))
    either = F.concat(found, F.transform(found, lambda n: F.ltrim(n, F.lit("-"))))
    return F.array_compact(F.array_distinct(F.transform(either, lambda n: n.try_cast("bigint"))))


def ids_by_key(text: Column, role: Role) -> Column:
    """Every id of a person in a role that a text says by a key, however deep (ARRAY<BIGINT>)."""
    found = F.regexp_extract_all(text, F.lit(f"{key_pattern(role)}({NUMBER})"), F.lit(1))
    return F.array_distinct(F.array_compact(F.transform(found, lambda number: number.try_cast("bigint"))))


def meant(text: Column, role: Role) -> Column:
    """Numbers of a text that may be ids of people in a role: those it says by a key; if it says none, every one."""
    return F.when(F.size(ids_by_key(text, role)) > 0, ids_by_key(text, role)).otherwise(numbers_in(text))


def ids(rows: DataFrame, role: Role) -> DataFrame | None:
    """The people that rows name, in a column of their own or anywhere in their text; None when they have neither."""
    whose = role.column(rows.columns)
    if whose:
        return rows.select(F.col(whose).cast("bigint").alias("id"))
    return rows.select(F.explode(meant(F.col("raw"), role)).alias("id")) if "raw" in rows.columns else None


def list_uri(lake: str) -> str:
    """Where a lake keeps its list."""
    return f"{lake}/_erasure/erased"


def former_list_uri(lake: str) -> str:
    """Where former versions kept it: salt, bucket, digest, erased_at."""
    return f"{lake}/_erasure/suppressed"


def exists_on_disk(spark: SparkSession, uri: str) -> bool:
    """Whether a table is at a URI, on the disk: Delta remembers one that was removed."""
    return files.exists(spark, f"{uri}/_delta_log")


def load(spark: SparkSession, lake: str) -> SuppressionList | None:
    """The list of a lake; None when nobody was erased from it. Raises ConfigError without the key of the list."""
    former, salt = _former(spark, lake)
    if not delta.is_table(spark, list_uri(lake)) or delta.has_no_files(delta.snapshot(spark, list_uri(lake))):
        return SuppressionList(spark, None, None, salt, former) if salt else None
    rows = delta.read(spark, list_uri(lake))
    kept = delta.properties(spark, list_uri(lake)).get(SALT)
    return SuppressionList(spark, secret(spark, lake), rows.select("digest"), salt or kept, former)


def _former(spark: SparkSession, lake: str) -> tuple[DataFrame | None, str | None]:
    uri = former_list_uri(lake)
    if not exists_on_disk(spark, uri):
        return None, None
    rows = delta.read(spark, uri)
    found: list[Any] = rows.select("salt").limit(1).collect()
    return (rows.select("digest"), found[0]["salt"]) if found else (None, None)


def secret(spark: SparkSession, lake: str) -> bytes:
    """The key of a lake's list. Raises ConfigError when this place does not have it."""
    wanted, own = delta.properties(spark, list_uri(lake)).get(KEY), keys.key_file(lake, "erasure")
    for found in (keys.pseudonym_key(), keys.read(own) if own.is_file() else None):
        if found and keys.fingerprint(found) == wanted:
            return found
    raise ConfigError(
        f"The list of erased people at {list_uri(lake)} was made with a key that this place does not have: "
        f"set {keys.SECRET} as it was, or bring back the key file {own}."
    )


def apply(read: DataFrame, event: Event, suppressed: SuppressionList | None) -> DataFrame:
    """Records as parsed -> the same with replacement ids for erased people, and without their text.

    A record that says nothing but what an erased person is, such as a creator's handle, is left out.
    """
    if suppressed is None:
        return read
    names = [f.name for f in event.fields]
    for role in ROLES:
        listed, whose, by = suppressed.for_role(role), role.column(names), role.by(names)
        if whose is None:
            continue
        if by is None:
            read = read.where(~listed.has(F.col(whose)))
            continue
        other = [f.name for f in event.fields if f.privacy in role.classes and f.name != whose]
        new = {whose: F.when(F.col("_erased"), listed.replacement(F.col(whose), F.col(by))).otherwise(F.col(whose))}
        new |= {name: F.when(~F.col("_erased"), F.col(name)) for name in (*other, "raw")}
        read = read.withColumn("_erased", listed.has(F.col(whose))).withColumns(new).drop("_erased")
    return read


def redact(quarantined: DataFrame, event: Event, suppressed: SuppressionList | None) -> DataFrame:
    """Quarantined records without the text of those that nobody could be read of, and that name an erased person."""
    if suppressed is None:
        return quarantined
    for role in ROLES:
        whose = role.column([f.name for f in event.fields])
        if whose is None:
            continue
        unread, meant_ = F.col("_corrupt") | F.col(whose).isNull(), meant(F.col("raw"), role)
        known = suppressed.for_role(role).erased_among(quarantined.where(unread).select(F.explode(meant_)))
        if known.ids:
            named = F.coalesce(unread & F.arrays_overlap(F.col("_ids"), meant_), F.lit(False))
            redacted = known.with_helper_columns(quarantined).withColumn("raw", F.when(~named, F.col("raw")))
            quarantined = redacted.drop(*HELPER_COLUMNS)
    return quarantined
