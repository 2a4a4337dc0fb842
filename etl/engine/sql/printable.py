"""Converts the rows of any query to Python values that print the same on every machine.

Values that Python cannot represent, or would shift to the local time zone, become text.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

_UNCHANGED_TYPES = (T.StringType, T.BinaryType, T.BooleanType, T.NumericType, T.NullType)
_SECONDS, _MICROSECONDS = "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"


def rows(frame: DataFrame) -> list[dict[str, Any]]:
    """The rows as dicts by column name. Timestamps are ISO 8601 text in UTC; dates and intervals are text, too."""
    numbered = frame.toDF(*[f"_{i}" for i in range(len(frame.columns))])  # column names of a query may not be unique
    columns = [_printable(F.col(field.name), field.dataType).alias(field.name) for field in numbered.schema]
    return [dict(zip(frame.columns, row, strict=True)) for row in numbered.select(*columns).collect()]


def _printable(value: Column, of: T.DataType) -> Column:
    """A value of a type that Python can represent. Spark formats text in the session's time zone."""
    if isinstance(of, T.TimestampType):
        return F.concat(_iso_text(value), F.lit("+00:00"))
    if isinstance(of, T.TimestampNTZType):
        return _iso_text(value)
    if isinstance(of, T.ArrayType):
        return F.transform(value, lambda element: _printable(element, of.elementType))
    if isinstance(of, T.MapType):
        return _printable_map(value, of)
    if isinstance(of, T.StructType):
        fields = [_printable(value.getField(f.name), f.dataType).alias(f.name) for f in of]
        return F.when(value.isNotNull(), F.struct(*fields))
    if isinstance(of, T.VariantType):
        return F.to_json(value)
    return value if isinstance(of, _UNCHANGED_TYPES) else value.cast("string")


def _iso_text(value: Column) -> Column:
    """Date and time in the format of `datetime.isoformat`: with six digits of a second, or none."""
    is_whole = F.date_trunc("second", value) == value
    return F.when(is_whole, F.date_format(value, _SECONDS)).otherwise(F.date_format(value, _MICROSECONDS))


def _printable_map(value: Column, of: T.MapType) -> Column:
    keys = F.transform_keys(value, lambda key, _: _printable(key, of.keyType))
    return F.transform_values(keys, lambda _, item: _printable(item, of.valueType))
