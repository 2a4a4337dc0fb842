"""Order-independent content checksums of table-hours.

A row hashes to 64 bits; the two halves are summed apart, so rows in any order give the same sum, rows added give
the sum of the sums, and neither a lost nor a doubled row goes unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.contract import Table

_LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class Content:
    """What a table-hour holds: how many rows and the sums of their hash halves."""

    rows: int = 0
    high: int = 0
    low: int = 0

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
    counted = [c for c in table.columns if c.name not in table.checksum_skips]
    absent = [F.col(c.name).isNull() for c in counted if c.nullable]  # the hash itself passes over NULLs
    hashed = F.xxhash64(*[F.col(c.name) for c in counted], *absent)
    summed = rows.select(F.col(table.hour).alias("hour"), hashed.alias("hash")).groupBy("hour")
    found = summed.agg(
        F.count("*").alias("n"),
        F.sum(F.shiftrightunsigned("hash", 32)).alias("high"),
        F.sum(F.col("hash").bitwiseAND(F.lit(_LOW))).alias("low"),
    ).collect()
    return {as_hour(r["hour"]): Content(r["n"], r["high"], r["low"]) for r in found}


def as_hour(value: datetime | date) -> datetime:
    """An aware UTC instant for an hour, or for the start of a day."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.astimezone(UTC)
