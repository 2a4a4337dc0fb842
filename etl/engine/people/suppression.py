"""The list of erased people (as keyed hashes), and the replacement ids of their records.

Every job that reads landed files applies the list, so a late-arriving record, a replayed file or a backfill does not
bring an erased person back. Their records still count, under a replacement id. The list is joined with the records, so
its length does not matter. The key of the list is stored outside the lake: without the key nobody can find out who was
erased, neither from the list nor from a replacement id.

Earlier versions of feed-etl kept a list of salted SHA-256 digests, from which people can be found by trying ids. The
next erasure or maintenance hashes these digests with the key. The salt stays, so that people erased at that time keep
their replacement ids.
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
from etl.engine.people.keyed import KeyedHash
from etl.engine.spark import files
from etl.errors import ConfigError
from etl.model.contract import Event
from etl.model.privacy import REPLACEMENT_IDS_BELOW, ROLES, VIEWER, Role

SCHEMA = "digest BIGINT, erased_at TIMESTAMP"
KEY = "feed_etl.key"  # property: fingerprint of the key of the digests
SALT = "feed_etl.salt"  # property: the salt of digests that were salted before they were hashed with the key
ERASED, SALTED, REPLACEMENT = "erased", "erased salted", "replacement"  # namespaces, see Role.namespace
REPLACEMENT_BITS = 60
NUMBER = "-?[0-9]+"


def key_pattern(role: Role) -> str:
    """Regular expression of a JSON key that holds the id of a person in a role, up to the number."""
    return rf'(?i:"(?:{"|".join(role.ids)})"\s*:\s*"?)'


@dataclass(frozen=True)
class SuppressionList:
    """The list of erased people of a lake, for people in one role.

    digests: one column of keyed hashes, of ids or of salted digests of ids.
    former: one column of salted digests, of the list of an earlier version of feed-etl; None when there is none.
    salt: the salt of `former`, and of the salted digests in `digests`. These are all of viewers.
    """

    spark: SparkSession
    secret: bytes | None
    digests: DataFrame | None
    salt: str | None
    former: DataFrame | None
    role: Role = VIEWER

    def for_role(self, role: Role) -> SuppressionList:
        """The same list, for people in another role."""
        return changed(self, role=role)

    @property
    def role_salt(self) -> str | None:
        """The salt of people in this role. Only viewers have one: lists of earlier versions contained only viewers."""
        return self.salt if self.role == VIEWER else None

    @cached_property
    def _keyed(self) -> KeyedHash:
        assert self.secret is not None
        return keyed.columns(self.spark, self.secret)

    def has(self, person: Column) -> Column:
        """Whether a person (BIGINT) was erased; False for NULL. Cannot be used inside a higher-order array function."""
        return self._is_keyed(person) | self.is_salted(person)

    def _is_keyed(self, person: Column) -> Column:
        """Whether the hash of the person's id is in the list."""
        if self.digests is None:
            return F.lit(False)
        return F.coalesce(
            self._keyed.number(self.role.namespace(ERASED), person).isin(F.broadcast(self.digests)), F.lit(False)
        )

    def is_salted(self, person: Column) -> Column:
        """Whether a person was erased by an earlier version of feed-etl, which salted the digests."""
        if self.role_salt is None:
            return F.lit(False)
        digest, is_listed = F.sha2(F.concat_ws(":", F.lit(self.role_salt), person.cast("string")), 256), F.lit(False)
        if self.former is not None:
            is_listed = is_listed | digest.isin(F.broadcast(self.former))
        if self.digests is not None:
            is_listed = is_listed | self._keyed.number(SALTED, digest).isin(F.broadcast(self.digests))
        return F.coalesce(is_listed & person.isNotNull(), F.lit(False))

    def replacement(self, person: Column, by: Column) -> Column:
        """The replacement id (BIGINT) of a person, derived from the id and the value of `by`."""
        current = replacement(self._keyed, self.role, person, by) if self.secret else F.lit(None).cast("bigint")
        if self.role_salt is None:
            return current
        return F.when(self.is_salted(person), former_replacement(self.role_salt, person, by)).otherwise(current)

    def erased_among(self, ids: DataFrame) -> ErasedIds:
        """The erased people among the ids in a data frame with one column."""
        distinct = ids.toDF("id").where("id IS NOT NULL").distinct()
        checked = distinct.withColumns({"salted": self.is_salted(F.col("id")), "keyed": self._is_keyed(F.col("id"))})
        rows = checked.where("salted OR keyed").collect()
        return ErasedIds(self, sorted(r["id"] for r in rows), sorted(r["id"] for r in rows if r["salted"]))


@dataclass(frozen=True)
class ErasedIds:
    """The ids of a few erased people, to be found inside texts.

    `has` and `replacement` use the columns that `with_helper_columns` adds, so they work inside array functions, too.
    `salted` are the ids that an earlier version of feed-etl erased.
    """

    suppressed: SuppressionList
    ids: list[int]
    salted: list[int]

    def with_helper_columns(self, rows: DataFrame) -> DataFrame:
        """Rows with HELPER_COLUMNS: the ids and the key. They come from a local relation, so no plan shows them."""
        lists = {
            name: pa.array([ids], pa.list_(pa.int64())) for name, ids in (("_ids", self.ids), ("_salted", self.salted))
        }
        frame = rows.sparkSession.createDataFrame(pa.table(lists))
        hashed = self.suppressed._keyed if self.suppressed.secret else KeyedHash(F.lit(b""), F.lit(b""))
        list_columns = {name: frame.select(name).scalar() for name in lists}
        return rows.withColumns({**list_columns, "_inner": hashed.inner, "_outer": hashed.outer})

    def has(self, person: Column) -> Column:
        """Whether a person (BIGINT) was erased; False for NULL."""
        return F.coalesce(F.array_contains(F.col("_ids"), person), F.lit(False))

    def replacement(self, person: Column, by: Column) -> Column:
        """The same replacement id as `SuppressionList.replacement`."""
        current = replacement(KeyedHash(F.col("_inner"), F.col("_outer")), self.suppressed.role, person, by)
        if self.suppressed.role_salt is None:
            return current
        former = former_replacement(self.suppressed.role_salt, person, by)
        return F.when(F.array_contains(F.col("_salted"), person), former).otherwise(current)


HELPER_COLUMNS = ("_ids", "_salted", "_inner", "_outer")


def replacement(hashed: KeyedHash, role: Role, person: Column, by: Column) -> Column:
    """A replacement id. It is smaller than every id of a person; nobody can find the person without the key."""
    digest = hashed.number(role.namespace(REPLACEMENT), person, F.coalesce(by.cast("string"), F.lit("")))
    return F.lit(REPLACEMENT_IDS_BELOW) + F.shiftright(digest, keyed.MAX_BITS - REPLACEMENT_BITS)


def former_replacement(salt: str, person: Column, by: Column) -> Column:
    """The replacement id of a person that an earlier version of feed-etl erased, made with the salt."""
    digest = F.sha2(F.concat_ws(":", F.lit(salt), person.cast("string"), by.cast("string")), 256)
    return F.lit(REPLACEMENT_IDS_BELOW - 1) - F.conv(F.substring(digest, 1, 15), 16, 10).cast("bigint")


def numbers_in(text: Column) -> Column:
    """Every number in a text that may be an id (ARRAY<BIGINT>), with its sign and without it."""
    with_sign = F.regexp_extract_all(text, F.lit(f"({NUMBER})"))
    both = F.concat(with_sign, F.transform(with_sign, lambda n: F.ltrim(n, F.lit("-"))))
    return F.array_compact(F.array_distinct(F.transform(both, lambda n: n.try_cast("bigint"))))


def ids_by_key(text: Column, role: Role) -> Column:
    """Every id of a person in a role that a text holds under a JSON key of an id, at any depth (ARRAY<BIGINT>)."""
    texts = F.regexp_extract_all(text, F.lit(f"{key_pattern(role)}({NUMBER})"), F.lit(1))
    return F.array_distinct(F.array_compact(F.transform(texts, lambda number: number.try_cast("bigint"))))


def possible_ids(text: Column, role: Role) -> Column:
    """Numbers in a text that may be ids of people in a role: those under a key of an id, or else every number."""
    return F.when(F.size(ids_by_key(text, role)) > 0, ids_by_key(text, role)).otherwise(numbers_in(text))


def ids(rows: DataFrame, role: Role) -> DataFrame | None:
    """Ids of the people that rows name, in an id column or else in the column `raw`; None without both columns."""
    id_column = role.column(rows.columns)
    if id_column:
        return rows.select(F.col(id_column).cast("bigint").alias("id"))
    return rows.select(F.explode(possible_ids(F.col("raw"), role)).alias("id")) if "raw" in rows.columns else None


def list_uri(lake: str) -> str:
    """URI of the list of erased people of a lake."""
    return f"{lake}/_erasure/erased"


def former_list_uri(lake: str) -> str:
    """URI of the list of earlier versions of feed-etl. Its columns: salt, bucket, digest, erased_at."""
    return f"{lake}/_erasure/suppressed"


def exists_on_disk(spark: SparkSession, uri: str) -> bool:
    """Whether a table exists at a URI. Looks at the disk, because Delta caches tables that were removed."""
    return files.exists(spark, f"{uri}/_delta_log")


def load(spark: SparkSession, lake: str) -> SuppressionList | None:
    """The list of a lake; None when nobody was erased. Raises ConfigError when the key of the list is missing."""
    former, salt = _former(spark, lake)
    if not delta.is_table(spark, list_uri(lake)) or delta.is_empty(spark, list_uri(lake)):
        return SuppressionList(spark, None, None, salt, former) if salt else None
    rows = delta.read(spark, list_uri(lake))
    stored_salt = delta.properties(spark, list_uri(lake)).get(SALT)
    return SuppressionList(spark, secret(spark, lake), rows.select("digest"), salt or stored_salt, former)


def _former(spark: SparkSession, lake: str) -> tuple[DataFrame | None, str | None]:
    """(digests, salt) of the list of an earlier version of feed-etl; (None, None) when there is none."""
    uri = former_list_uri(lake)
    if not exists_on_disk(spark, uri):
        return None, None
    rows = delta.read(spark, uri)
    first: list[Any] = rows.select("salt").limit(1).collect()
    return (rows.select("digest"), first[0]["salt"]) if first else (None, None)


def secret(spark: SparkSession, lake: str) -> bytes:
    """The key of a lake's list: the pseudonym key or the erasure key. Raises ConfigError when neither is its key."""
    fingerprint, file = delta.properties(spark, list_uri(lake)).get(KEY), keys.key_file(lake, "erasure")
    for key in (keys.pseudonym_key(), keys.read(file) if file.is_file() else None):
        if key and keys.fingerprint(key) == fingerprint:
            return key
    raise ConfigError(
        f"The list of erased people at {list_uri(lake)} was made with a key that this environment does not have. "
        f"Set {keys.SECRET} as it was, or restore the key file {file}."
    )


def apply(parsed: DataFrame, event: Event, suppressed: SuppressionList | None) -> DataFrame:
    """Parsed records, with replacement ids for erased people and without their personal texts.

    Drops a record that only describes an erased person, such as a creator's handle.
    """
    if suppressed is None:
        return parsed
    names = [f.name for f in event.fields]
    for role in ROLES:
        listed, id_column, by = suppressed.for_role(role), role.column(names), role.by(names)
        if id_column is None:
            continue
        person = F.col(id_column)
        if by is None:
            parsed = parsed.where(~listed.has(person))
            continue
        personal = [f.name for f in event.fields if f.privacy in role.classes and f.name != id_column]
        new = {id_column: F.when(F.col("_erased"), listed.replacement(person, F.col(by))).otherwise(person)}
        new |= {name: F.when(~F.col("_erased"), F.col(name)) for name in (*personal, "raw")}
        parsed = parsed.withColumn("_erased", listed.has(person)).withColumns(new).drop("_erased")
    return parsed


def redact(quarantined: DataFrame, event: Event, suppressed: SuppressionList | None) -> DataFrame:
    """Quarantined records; those without a readable person id lose their text when it names an erased person."""
    if suppressed is None:
        return quarantined
    for role in ROLES:
        id_column = role.column([f.name for f in event.fields])
        if id_column is None:
            continue
        has_no_id = F.col("_corrupt") | F.col(id_column).isNull()
        candidates = possible_ids(F.col("raw"), role)
        erased = suppressed.for_role(role).erased_among(quarantined.where(has_no_id).select(F.explode(candidates)))
        if erased.ids:
            names_erased = F.coalesce(has_no_id & F.arrays_overlap(F.col("_ids"), candidates), F.lit(False))
            redacted = erased.with_helper_columns(quarantined).withColumn("raw", F.when(~names_erased, F.col("raw")))
            quarantined = redacted.drop(*HELPER_COLUMNS)
    return quarantined
