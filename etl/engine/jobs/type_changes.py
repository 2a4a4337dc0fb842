"""Which types of columns can be widened without rewriting files: Delta's type widening."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql.types import ArrayType, ByteType, DataType, DecimalType, IntegerType, LongType, ShortType

WIDENING = "delta.enableTypeWidening"
"""Table property that lets a type be widened. Readers of the table then need Delta's feature `typeWidening`."""
INTEGERS = (ByteType(), ShortType(), IntegerType(), LongType())
"""Types of whole numbers, from the narrowest to the widest."""


@dataclass(frozen=True)
class Widening:
    """How a type is widened. where: the part of the column; empty for all of it. type: the wider Spark SQL type."""

    where: str
    type: str


def widened(old: DataType, new: DataType) -> Widening | None:
    """How to widen a type to another one; None when the new type cannot hold every value of the old one."""
    if isinstance(old, ArrayType) and isinstance(new, ArrayType):
        inner = widened(old.elementType, new.elementType)
        return Widening(f".element{inner.where}", inner.type) if inner else None
    return Widening("", new.simpleString()) if _is_wider(old, new) else None


def _is_wider(old: DataType, new: DataType) -> bool:
    if old in INTEGERS and new in INTEGERS:
        return INTEGERS.index(old) < INTEGERS.index(new)
    if not isinstance(old, DecimalType) or not isinstance(new, DecimalType):
        return False
    more_digits, more_scale = new.precision - old.precision, new.scale - old.scale
    return more_digits >= more_scale >= 0
