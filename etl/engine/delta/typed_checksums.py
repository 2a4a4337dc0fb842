"""Checksums of the method `typed`, which ledgers of releases up to 0.1.0 hold.

Such a checksum depends on the order, types and nullability of the columns. So `migrate` notes the columns that a table
had in a table property before it changes them, and the checksums stay comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.checksums import Content
from etl.model.contract import Column as Field
from etl.model.contract import Table

COLUMNS = "feedetl.typedColumns"
"""Table property: the columns, as Spark SQL, that checksums of the method `typed` cover."""


def columns_text(found: StructType) -> str:
    """A schema as the property has it: `name` TYPE [NOT NULL], separated by commas."""
    return ", ".join(f"`{f.name}` {f.dataType.simpleString()}{'' if f.nullable else ' NOT NULL'}" for f in found.fields)


def by_hour(spark: SparkSession, uri: str, rows: DataFrame, table: Table) -> dict[datetime, Content]:
    """Hour (day) -> content of rows of a table at a URI, by the columns that it had before it was migrated."""
    found = delta.metadata(spark, uri)
    text = found.properties.get(COLUMNS)
    schema = cast(StructType, StructType.fromDDL(text)) if text else found.schema
    fields = [
        Field(f.name, f.dataType.simpleString().upper(), "", nullable=f.nullable)
        for f in schema.fields
        if f.name not in table.checksum_skips
    ]
    sums = checksums.sums_by_hour(rows, table, _row_hash(fields))
    return {hour: Content(*each, method=checksums.TYPED) for hour, each in sums.items()}


def _row_hash(columns: Sequence[Field]) -> Column:
    """The hash of typed values, and of which optional columns are NULL, in the order of the columns."""
    values, optional = [F.col(c.name).try_cast(c.type.lower()) for c in columns], [c for c in columns if c.nullable]
    lists = [checksums.text_if_it_contains_null(F.col(c.name)) for c in optional if c.type.startswith("ARRAY")]
    return F.xxhash64(*values, *[F.col(c.name).isNull() for c in optional], *lists)
