"""Order-independent content checksums of table-hours.

A row hashes to 64 bits; the two halves are summed apart, so rows in any order give the same sum, rows added give
the sum of the sums, and neither a lost nor a doubled row goes unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Column as Field
from etl.model.contract import Table

_LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class Content:
    """What a table-hour holds: how many rows and the sums of their hash halves."""

    rows: int = 0
    high: int = 0
    low: int = 0

    def __sub__(self, other: Content) -> Content:
        return Content(self.rows - other.rows, self.high - other.high, self.low - other.low)

    def __add__(self, other: Content) -> Content:
        return Content(self.rows + other.rows, self.high + other.high, self.low + other.low)

    @property
    def checksum(self) -> str:
        """As the ledger keeps it."""
        return f"{self.high:x}-{self.low:x}"

    @classmethod
    def of(cls, state: dict[str, Any]) -> Content:
        """Back from a ledger row's hour."""
        high, low = (int(part, 16) for part in state["checksum"].split("-"))
        return cls(state["row_count"], high, low)

    def state(self, hour: datetime) -> dict[str, Any]:
        """As a ledger row's hour."""
        return {"hour": hour, "row_count": self.rows, "checksum": self.checksum}


def by_hour(rows: DataFrame, table: Table) -> dict[datetime, Content]:
    """Content of each hour (day) of some rows of a table."""
    hashed = row_hash([c for c in table.columns if c.name not in table.checksum_skips])
    summed = rows.select(F.col(table.hour).alias("hour"), hashed.alias("hash")).groupBy("hour")
    found = summed.agg(
        F.count("*").alias("n"),
        F.sum(F.shiftrightunsigned("hash", 32)).alias("high"),
        F.sum(F.col("hash").bitwiseAND(F.lit(_LOW))).alias("low"),
    ).collect()
    return {as_hour(r["hour"]): Content(r["n"], r["high"], r["low"]) for r in found}


def row_hash(columns: Sequence[Field]) -> Column:
    """64 bits of a row. `xxhash64` skips NULLs, so which columns and elements of lists are NULL is hashed, too.

    The values are in the ledgers of lakes: they stay as they are.
    """
    values, optional = [F.col(c.name) for c in columns], [c for c in columns if c.nullable]
    holes = [_with_holes(F.col(c.name)) for c in optional if c.type.startswith("ARRAY")]
    return F.xxhash64(*values, *[F.col(c.name).isNull() for c in optional], *holes)


def _with_holes(value: Column) -> Column:
    """A list with a NULL in it, as text; NULL, which is not hashed, for all other lists."""
    return F.when(F.exists(value, lambda element: element.isNull()), F.to_json(value))


def as_hour(value: datetime | date) -> datetime:
    """An aware UTC instant for an hour, or for the start of a day."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.astimezone(UTC)
