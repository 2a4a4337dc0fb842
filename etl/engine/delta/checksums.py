"""Content checksums of table-hours that do not depend on the order of rows.

Each row hashes to 64 bits. The checksum is the sum of the high halves and the sum of the low halves, so the checksum
of two sets of rows is the sum of their checksums. A lost or duplicate row changes it.

The hash of a row is of the method `canonical`: a changed contract leaves it as it is (docs/decisions/0027). Ledgers of
releases before it hold checksums of the method `typed` (`typed_checksums.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import reduce
from operator import xor
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.engine.delta.partitions import as_literal, in_hours
from etl.model.contract import Column as Field
from etl.model.contract import Table

CANONICAL, TYPED = "canonical", "typed"
"""Methods to hash a row. A checksum without a method in its text is of the method `typed`."""
_LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class Content:
    """The content of a table-hour: number of rows, sum of the high hash halves, sum of the low hash halves.

    Two contents of different methods cannot be compared or added.
    """

    rows: int = 0
    high: int = 0
    low: int = 0
    method: str = field(default=CANONICAL, kw_only=True)

    def __sub__(self, other: Content) -> Content:
        return self._with(other, -1)

    def __add__(self, other: Content) -> Content:
        return self._with(other, 1)

    def _with(self, other: Content, sign: int) -> Content:
        methods = {each.method for each in (self, other) if each.rows} or {CANONICAL}
        if len(methods) > 1:
            raise ValueError(f"checksums of the methods {' and '.join(sorted(methods))} cannot be added")
        rows, high, low = self.rows + sign * other.rows, self.high + sign * other.high, self.low + sign * other.low
        return Content(rows, high, low, method=methods.pop() if rows else CANONICAL)

    @property
    def checksum(self) -> str:
        """The checksum as the ledger stores it. It begins with the method."""
        sums = f"{self.high:x}-{self.low:x}"
        return sums if self.method == TYPED else f"{self.method}:{sums}"

    @classmethod
    def of(cls, state: dict[str, Any]) -> Content:
        """The content from an hour of a ledger row (`row_count`, `checksum`)."""
        method, _, sums = state["checksum"].rpartition(":")
        high, low = (int(part, 16) for part in sums.split("-"))
        return cls(state["row_count"], high, low, method=method or TYPED) if state["row_count"] else cls()

    def state(self, hour: datetime) -> dict[str, Any]:
        """The content as an hour of a ledger row."""
        return {"hour": hour, "row_count": self.rows, "checksum": self.checksum}


def by_hour(rows: DataFrame, table: Table) -> dict[datetime, Content]:
    """Hour -> content of the table's rows in it; day -> content for a table partitioned by day."""
    return {hour: Content(*sums) for hour, sums in sums_by_hour(rows, table, _hash(table, rows)).items()}


def sums_by_hour(rows: DataFrame, table: Table, hashed: Column) -> dict[datetime, list[int]]:
    """Hour (day) -> number of rows, sum of the high halves and of the low halves of a hash of each row."""
    grouped = rows.select(F.col(table.hour).alias("hour"), hashed.alias(_HASH)).groupBy("hour")
    sums = grouped.agg(F.expr(f"array({_sums(_HASH)})").alias("sums")).collect()
    return {as_hour(r["hour"]): r["sums"] for r in sums}


def canonical(
    known: dict[datetime, Content], table: Table, read: Callable[[str], DataFrame]
) -> dict[datetime, Content]:
    """The same contents by the method `canonical`; hours of the method `typed` are computed from their rows.

    read: partition predicate -> the rows that `known` is about. It is only called when an earlier release wrote one of
    the hours.
    """
    typed = [hour for hour, content in known.items() if content.method == TYPED]
    if not typed:
        return known
    return known | dict.fromkeys(typed, Content()) | by_hour(read(in_hours(table, typed)), table)


def _sums(hashed: str) -> str:
    """The fields of `Content` as SQL aggregates, each a BIGINT. Rows whose hash (SQL) is NULL do not count."""
    return (
        f"count({hashed}), coalesce(sum(shiftrightunsigned({hashed}, 32)), 0L), coalesce(sum({hashed} & {_LOW}L), 0L)"
    )


MAX_HOURS = 8
"""Up to this many hours are summed by one aggregate over a batch, without a group for each hour."""
_HASH = "_row_hash"


@dataclass(frozen=True)
class Sums:
    """The content of at most MAX_HOURS hours as one array of aggregates, to be computed along with others.

    hours: all hours that the rows have.
    """

    table: Table
    hours: tuple[datetime, ...]

    def hashed(self, rows: DataFrame) -> DataFrame:
        """The rows with the column that the expression sums."""
        return rows.withColumn(_HASH, _hash(self.table, rows))

    @property
    def expression(self) -> str:
        """An SQL expression over hashed rows: three BIGINT for each hour."""
        in_hour = [f"CASE WHEN {self.table.hour} = {as_literal(h, self.table)} THEN {_HASH} END" for h in self.hours]
        return f"array({', '.join(map(_sums, in_hour))})"

    def contents(self, sums: list[int]) -> dict[datetime, Content]:
        """Hour -> content, from the value of the expression. Hours without rows are left out."""
        found = {hour: Content(*sums[3 * i : 3 * i + 3]) for i, hour in enumerate(self.hours)}
        return {hour: content for hour, content in found.items() if content.rows}


def _hash(table: Table, rows: DataFrame) -> Column:
    """The hash of the columns that the checksum of a table covers, and that the rows have."""
    present = set(rows.columns)
    return row_hash([c for c in table.columns if c.name in present and c.name not in table.checksum_skips])


def row_hash(columns: Sequence[Field]) -> Column:
    """A 64-bit hash of a row: of the canonical values that are not NULL, and of which columns these are.

    It does not depend on the order of columns, nor on the width of numbers (INT 1 = BIGINT 1, 1.50 = 1.5). NULL is like
    a column that does not exist. Ledgers contain sums of these hashes: the function must not change.
    """
    ordered = sorted(columns, key=lambda c: c.name)
    return F.xxhash64(*(value for c in ordered for value in _canonical(c)), _present(ordered))


def _present(columns: Sequence[Field]) -> Column:
    """Which columns are not NULL, as a BIGINT: the XOR of the hashes of their names."""
    always = F.lit(reduce(xor, (_name_hash(c.name) for c in columns if not c.nullable), 0))
    optional = (F.when(F.col(c.name).isNotNull(), F.lit(_name_hash(c.name))) for c in columns if c.nullable)
    return reduce(lambda a, b: a.bitwiseXOR(F.coalesce(b, F.lit(0).cast("bigint"))), optional, always.cast("bigint"))


def _name_hash(name: str) -> int:
    """The hash of a column's name, as a signed integer of 64 bits."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _canonical(column: Field) -> list[Column]:
    """The expressions whose values stand for a column in the hash: equal for equal values of every type of a kind."""
    value, kind = F.col(column.name), column.type.upper().split("(")[0]
    if kind in ("TINYINT", "SMALLINT", "INT"):
        return [value.cast("bigint")]
    if kind == "DECIMAL":
        return [_decimal_text(value)]
    if kind.startswith("ARRAY"):
        integers = kind in ("ARRAY<TINYINT>", "ARRAY<SMALLINT>", "ARRAY<INT>")
        elements = value.cast("array<bigint>") if integers else value
        return [elements, F.size(value), text_if_it_contains_null(value)]
    return [F.to_json(F.array_sort(F.map_entries(value)))] if kind.startswith("MAP") else [value]


def _decimal_text(value: Column) -> Column:
    """A decimal as text without zeros at the end of its fraction."""
    text = value.cast("string")
    return F.when(F.contains(text, F.lit(".")), F.rtrim(F.rtrim(text, F.lit("0")), F.lit("."))).otherwise(text)


def text_if_it_contains_null(value: Column) -> Column:
    """A list that contains a NULL, as JSON text. NULL, which is not hashed, for all other lists."""
    return F.when(F.exists(value, lambda element: element.isNull()), F.to_json(value))


def as_hour(value: datetime | date) -> datetime:
    """The hour, or the start of the day, as a timezone-aware datetime in UTC."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.astimezone(UTC)
