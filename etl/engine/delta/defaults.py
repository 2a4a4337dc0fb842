"""Completes new columns for questions: files, and tables that are not migrated yet, from before do not hold them."""

from __future__ import annotations

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Column, Table


def applied(rows: DataFrame, table: Table) -> DataFrame:
    """Rows of a table, with the default of a column in place of NULL, and NULL in columns that the table does not have.

    No file is changed. A lake that is not migrated yet lacks new columns, and questions name them.
    """
    present = set(rows.columns)
    given = [c for c in table.columns if c.nullable and (c.default is not None or c.name not in present)]
    return rows.withColumns({c.name: _value(c, c.name in present) for c in given}) if given else rows


def _value(column: Column, is_present: bool) -> Expression:
    default = F.expr(f"CAST({column.default or 'NULL'} AS {column.type})")
    return F.coalesce(F.col(column.name), default) if is_present else default
