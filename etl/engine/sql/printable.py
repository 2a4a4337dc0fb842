"""Rows of any query as values that print the same on every host: what Python cannot hold or would shift is text."""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

_AS_THEY_ARE = (T.StringType, T.BinaryType, T.BooleanType, T.NumericType, T.NullType)
_SECONDS, _MICROSECONDS = "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"


def rows(frame: DataFrame) -> list[dict[str, Any]]:
    """The rows, columns by name. Instants are ISO 8601 text in UTC, of any year; dates and intervals are text, too."""
    numbered = frame.toDF(*[f"_{i}" for i in range(len(frame.columns))])
    shown = numbered.select(*[_shown(F.col(field.name), field.dataType).alias(field.name) for field in numbered.schema])
    return [dict(zip(frame.columns, row, strict=True)) for row in shown.collect()]


def _shown(value: Column, of: T.DataType) -> Column:
    """A value as Python can hold it whatever it is; Spark makes the text, in the session's time zone."""
    if isinstance(of, T.TimestampType):
        return F.concat(_clock(value), F.lit("+00:00"))
    if isinstance(of, T.TimestampNTZType):
        return _clock(value)
    if isinstance(of, T.ArrayType):
        return F.transform(value, lambda each: _shown(each, of.elementType))
    if isinstance(of, T.MapType):
        return _shown_map(value, of)
    if isinstance(of, T.StructType):
        fields = [_shown(value.getField(f.name), f.dataType).alias(f.name) for f in of]
        return F.when(value.isNotNull(), F.struct(*fields))
    if isinstance(of, T.VariantType):
        return F.to_json(value)
    return value if isinstance(of, _AS_THEY_ARE) else value.cast("string")


def _clock(value: Column) -> Column:
    """Date and time as `datetime.isoformat` writes them: six digits of a second, or none."""
    is_whole = F.date_trunc("second", value) == value
    return F.when(is_whole, F.date_format(value, _SECONDS)).otherwise(F.date_format(value, _MICROSECONDS))


def _shown_map(value: Column, of: T.MapType) -> Column:
    keys = F.transform_keys(value, lambda key, _: _shown(key, of.keyType))
    return F.transform_values(keys, lambda _, each: _shown(each, of.valueType))
