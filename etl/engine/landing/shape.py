"""What readers of Parquet and Avro share: which columns of a file are read, and how times become timestamps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, IntegerType, NullType, StructType

from etl.engine.landing.records import INTEGRAL, PROVENANCE, quoted

FILE = "_file"
RESERVED = (FILE, "_metadata", *PROVENANCE)
"""Column names that the readers add themselves. Columns of a file with one of these names are ignored."""
MAX_MICROS = 10**18
"""Largest distance of a timestamp from 1970, in microseconds (31,688 years); larger ones are cut to it."""
NOT_READABLE = "not readable"
PLAIN = (*INTEGRAL, "boolean", "float", "double", "decimal", "string", "binary", "date", "timestamp")


@dataclass(frozen=True)
class Shape:
    """How files of one schema are read.

    columns: names and Spark types to ask for. units: (column, unit) of the timestamps, which are read as numbers.
    refused: names, in lower case, of columns that Spark cannot read or that the file has twice.
    """

    columns: StructType
    units: tuple[tuple[str, str], ...] = ()
    refused: tuple[str, ...] = ()

    def of(self, rows: DataFrame) -> DataFrame:
        """Rows of files of this shape, read with `columns`: names in lower case, times as timestamps, and `_file`.

        A refused column gets a list of text, which is the wrong type for every field.
        """
        units = dict(self.units)
        values = [_value(field.name, units.get(field.name)).alias(field.name.lower()) for field in self.columns.fields]
        refused = [F.array(F.lit(NOT_READABLE)).alias(name) for name in self.refused]
        return rows.select(*values, *refused, F.col("_metadata.file_path").alias(FILE))


def _value(name: str, unit: str | None) -> Column:
    """A column of a file. The number of a timestamp becomes a TIMESTAMP, without an overflow on the way."""
    column = quoted(name)
    if unit is None:
        return column
    if unit == "NANOS":
        return F.timestamp_micros(F.call_function("div", column, F.lit(1000)))
    micros = 1000 if unit == "MILLIS" else 1
    limit = MAX_MICROS // micros
    bounded = F.greatest(F.least(column, F.lit(limit)), F.lit(-limit))
    # The condition keeps NULL: `least` of NULL and a number is the number.
    return F.timestamp_micros(F.when(column.isNotNull(), bounded) * micros)


def is_data(name: str) -> bool:
    """Whether a column is read: it has a name, and not one that a reader adds itself."""
    return name.lower() not in RESERVED and bool(name.strip())


def repeated(names: Iterable[str]) -> set[str]:
    """Names, in lower case, that a file has twice in different case."""
    return {name for name, count in Counter(name.lower() for name in names).items() if count > 1}


def plain(found: DataType) -> DataType | None:
    """The type to read a column as; None unless it is a plain type or a list of one."""
    if isinstance(found, ArrayType) and isinstance(found.elementType, NullType):
        return ArrayType(IntegerType())
    element = found.elementType if isinstance(found, ArrayType) else found
    return found if element.typeName().split("(")[0] in PLAIN else None
