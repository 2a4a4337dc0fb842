"""Creates tables from their contracts: columns with comments, partitions, and bounded statistics."""

from __future__ import annotations

from typing import cast

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from etl.engine.delta import tables as delta
from etl.engine.people import pseudonyms
from etl.errors import ContractViolation
from etl.model.contract import Table


def columns_ddl(table: Table) -> str:
    """The columns as Spark SQL: `name` TYPE [NOT NULL], separated by commas."""
    return ", ".join(f"`{c.name}` {c.type}{'' if c.nullable else ' NOT NULL'}" for c in table.columns)


def schema(table: Table) -> StructType:
    """The contract as a Spark schema."""
    return cast(StructType, StructType.fromDDL(columns_ddl(table)))


def _statistics_columns(table: Table) -> str:
    """The columns that queries filter by (key, cluster columns, times), which get statistics in the Delta log."""
    times = [c.name for c in table.columns if c.type == "TIMESTAMP"]
    filtered = dict.fromkeys((*table.key, *table.cluster, *times))
    return ",".join(c for c in filtered if c not in table.partition)


def tags(table: Table) -> dict[str, str]:
    """Table properties that tell other programs whose table it is. They are part of the table's Delta log."""
    return {"feed_etl.owner": table.owner, "feed_etl.layer": table.layer.name.lower()}


def ensure(spark: SparkSession, table: Table, uri: str) -> None:
    """Create the table when it does not exist. Raises ContractViolation when it exists with other columns."""
    if delta.is_table(spark, uri):
        return _compare(delta.read(spark, uri).schema, table)
    fields = ", ".join(
        f"`{c.name}` {c.type}{'' if c.nullable else ' NOT NULL'} COMMENT '{c.meaning.replace(chr(39), chr(34))}'"
        for c in table.columns
    )
    partitioned = f"PARTITIONED BY ({', '.join(table.partition)})" if table.partition else ""
    stats = {"delta.dataSkippingStatsColumns": found} if (found := _statistics_columns(table)) else {}
    people = pseudonyms.properties(spark, table, uri)
    properties = ", ".join(
        f"'{name}' = '{value}'" for name, value in (delta.HISTORY_PROPERTIES | stats | people | tags(table)).items()
    )
    delta.create(spark, uri, f"({fields}) USING DELTA {partitioned} TBLPROPERTIES ({properties})")


def _compare(found: StructType, table: Table) -> None:
    existing = [(f.name, f.dataType.simpleString()) for f in found.fields]
    wanted = [(f.name, f.dataType.simpleString()) for f in schema(table).fields]
    if existing != wanted:
        names = sorted({str(name) for name, _ in set(existing) ^ set(wanted)})
        raise ContractViolation(f"{table.name} in the lake differs from its contract in: {', '.join(names)}.")


def conform(rows: DataFrame, table: Table) -> DataFrame:
    """Rows with exactly the contract's columns, cast to its types.

    Raises ContractViolation when the rows lack columns or have columns that are not in the contract.
    """
    missing = [c for c in table.column_names if c not in rows.columns]
    extra = [c for c in rows.columns if c not in table.column_names]
    if missing or extra:
        raise ContractViolation(f"{table.name}: {_column_faults(missing, extra)}. Correct its final select.")
    return rows.select(*[rows[c.name].cast(c.type).alias(c.name) for c in table.columns])


def _column_faults(missing: list[str], extra: list[str]) -> str:
    faults = [f"transform() is missing columns {missing}"] if missing else []
    faults += [f"transform() has columns {extra} that are not in the contract"] if extra else []
    return " and ".join(faults)
