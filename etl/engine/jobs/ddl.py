"""Creates tables from their contracts: columns with comments, partitions, and bounded statistics."""

from __future__ import annotations

from typing import cast

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from etl.engine.delta import tables as delta
from etl.engine.jobs import contract_changes
from etl.engine.jobs.contract_changes import Change, comment
from etl.engine.people import pseudonyms
from etl.engine.spark.literals import literal
from etl.errors import ContractViolation
from etl.model import limits
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


def ensure(spark: SparkSession, table: Table, uri: str) -> list[Change]:
    """Create the table when it does not exist; else returns the changes by which it differs from its contract.

    Raises ContractViolation when a run cannot work with the table as it is.
    """
    if delta.is_table(spark, uri):
        due = changes(spark, table, uri)
        refuse(table, due)
        return due
    fields = ", ".join(
        f"`{c.name}` {c.type}{'' if c.nullable else ' NOT NULL'} COMMENT {literal(comment(c))}" for c in table.columns
    )
    partitioned = f"PARTITIONED BY ({', '.join(table.partition)})" if table.partition else ""
    people = pseudonyms.properties(spark, table, uri)
    listed = ", ".join(f"{literal(name)} = {literal(value)}" for name, value in (properties(table) | people).items())
    delta.create(spark, uri, f"({fields}) USING DELTA {partitioned} TBLPROPERTIES ({listed})")
    return []


def properties(table: Table) -> dict[str, str]:
    """The table properties that follow from the contract."""
    stats = {delta.STATISTICS: found} if (found := _statistics_columns(table)) else {}
    return delta.HISTORY_PROPERTIES | stats | tags(table) | limits.as_properties(limits.of(table))


def changes(spark: SparkSession, table: Table, uri: str) -> list[Change]:
    """The changes by which an existing table differs from its contract."""
    return contract_changes.changes(table, delta.metadata(spark, uri), properties(table), schema(table))


def refuse(table: Table, due: list[Change]) -> None:
    """Raises ContractViolation when one of the changes must be applied before a run can work with the table."""
    names = dict.fromkeys(name for change in due if change.blocks for name in change.names)
    if names:
        raise ContractViolation(
            f"{table.name} in the lake differs from its contract in: {', '.join(names)}. Run `feed-etl migrate`."
        )


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
