"""Content checksums of table-hours that do not depend on the order of rows.

Each row hashes to 64 bits. The checksum is the sum of the high halves and the sum of the low halves, so the checksum
of two sets of rows is the sum of their checksums. A lost or duplicate row changes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.engine.delta.partitions import as_literal
from etl.model.contract import Column as Field
from etl.model.contract import Table

_LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class Content:
    """The content of a table-hour: number of rows, sum of the high hash halves, sum of the low hash halves."""

    rows: int = 0
    high: int = 0
    low: int = 0

    def __sub__(self, other: Content) -> Content:
        return Content(self.rows - other.rows, self.high - other.high, self.low - other.low)

    def __add__(self, other: Content) -> Content:
        return Content(self.rows + other.rows, self.high + other.high, self.low + other.low)

    @property
    def checksum(self) -> str:
        """The checksum as the ledger stores it."""
        return f"{self.high:x}-{self.low:x}"

    @classmethod
    def of(cls, state: dict[str, Any]) -> Content:
        """The content from an hour of a ledger row (`row_count`, `checksum`)."""
        high, low = (int(part, 16) for part in state["checksum"].split("-"))
        return cls(state["row_count"], high, low)

    def state(self, hour: datetime) -> dict[str, Any]:
        """The content as an hour of a ledger row."""
        return {"hour": hour, "row_count": self.rows, "checksum": self.checksum}


def by_hour(rows: DataFrame, table: Table) -> dict[datetime, Content]:
    """Hour -> content of the table's rows in it; day -> content for a table partitioned by day."""
    grouped = rows.select(F.col(table.hour).alias("hour"), _hash(table).alias(_HASH)).groupBy("hour")
    sums = grouped.agg(F.expr(f"array({_sums(_HASH)})").alias("sums")).collect()
    return {as_hour(r["hour"]): Content(*r["sums"]) for r in sums}


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
        return rows.withColumn(_HASH, _hash(self.table))

    @property
    def expression(self) -> str:
        """An SQL expression over hashed rows: three BIGINT for each hour."""
        in_hour = [f"CASE WHEN {self.table.hour} = {as_literal(h, self.table)} THEN {_HASH} END" for h in self.hours]
        return f"array({', '.join(map(_sums, in_hour))})"

    def contents(self, sums: list[int]) -> dict[datetime, Content]:
        """Hour -> content, from the value of the expression. Hours without rows are left out."""
        found = {hour: Content(*sums[3 * i : 3 * i + 3]) for i, hour in enumerate(self.hours)}
        return {hour: content for hour, content in found.items() if content.rows}


def _hash(table: Table) -> Column:
    """The hash of the columns that the checksum of a table covers."""
    return row_hash([c for c in table.columns if c.name not in table.checksum_skips])


def row_hash(columns: Sequence[Field]) -> Column:
    """A 64-bit hash of a row. `xxhash64` skips NULLs, so the hash also covers which columns and elements are NULL.

    Ledgers of existing lakes contain sums of these hashes: the function must not change.
    """
    values, optional = [F.col(c.name) for c in columns], [c for c in columns if c.nullable]
    lists = [_text_if_it_contains_null(F.col(c.name)) for c in optional if c.type.startswith("ARRAY")]
    return F.xxhash64(*values, *[F.col(c.name).isNull() for c in optional], *lists)


def _text_if_it_contains_null(value: Column) -> Column:
    """A list that contains a NULL, as JSON text. NULL, which is not hashed, for all other lists."""
    return F.when(F.exists(value, lambda element: element.isNull()), F.to_json(value))


def as_hour(value: datetime | date) -> datetime:
    """The hour, or the start of the day, as a timezone-aware datetime in UTC."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.astimezone(UTC)
