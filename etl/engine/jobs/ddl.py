"""DDL derived from contracts: tables are made once, empty, with comments and bounded statistics."""

from __future__ import annotations

from typing import cast

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from etl.engine.delta import tables as delta
from etl.engine.people import pseudonyms
from etl.errors import ContractViolation
from etl.model.contract import Table


def columns_ddl(table: Table) -> str:
    """`name TYPE [NOT NULL]` for each column, as Spark SQL reads it."""
    return ", ".join(f"`{c.name}` {c.type}{'' if c.nullable else ' NOT NULL'}" for c in table.columns)


def schema(table: Table) -> StructType:
    """The contract as a Spark schema."""
    return cast(StructType, StructType.fromDDL(columns_ddl(table)))


def _filtered_columns(table: Table) -> str:
    times = [c.name for c in table.columns if c.type == "TIMESTAMP"]
    wanted = dict.fromkeys((*table.key, *table.cluster, *times))
    return ",".join(c for c in wanted if c not in table.partition)


def ensure(spark: SparkSession, table: Table, uri: str) -> None:
    """Make the table when it is not there. Raises ContractViolation when one is there with other columns."""
    if delta.is_table(spark, uri):
        return _compare(delta.read(spark, uri).schema, table)
    fields = ", ".join(
        f"`{c.name}` {c.type}{'' if c.nullable else ' NOT NULL'} COMMENT '{c.meaning.replace(chr(39), chr(34))}'"
        for c in table.columns
    )
    partitioned = f"PARTITIONED BY ({', '.join(table.partition)})" if table.partition else ""
    stats = {"delta.dataSkippingStatsColumns": found} if (found := _filtered_columns(table)) else {}
    people = pseudonyms.properties(spark, table, uri)
    properties = ", ".join(
        f"'{name}' = '{value}'" for name, value in (delta.HISTORY_PROPERTIES | stats | people).items()
    )
    delta.create(spark, uri, f"({fields}) USING DELTA {partitioned} TBLPROPERTIES ({properties})")


def _compare(found: StructType, table: Table) -> None:
    there = [(f.name, f.dataType.simpleString()) for f in found.fields]
    wanted = [(f.name, f.dataType.simpleString()) for f in schema(table).fields]
    if there != wanted:
        odd = sorted({str(n) for n, _ in set(there) ^ set(wanted)})
        raise ContractViolation(f"{table.name} in the lake differs from its contract in: {', '.join(odd)}.")


def conform(rows: DataFrame, table: Table) -> DataFrame:
    """Rows with exactly the contract's columns and types. Raises ContractViolation naming what differs."""
    missing = [c for c in table.column_names if c not in rows.columns]
    extra = [c for c in rows.columns if c not in table.column_names]
    if missing or extra:
        raise ContractViolation(f"{table.name}: transform gives not {missing or 'nothing'}, but {extra or 'nothing'}.")
    return rows.select(*[rows[c.name].cast(c.type).alias(c.name) for c in table.columns])
