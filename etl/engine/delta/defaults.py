"""Applies the default of a column for questions: files from before the column was added do not hold it."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Table


def applied(rows: DataFrame, table: Table) -> DataFrame:
    """Rows of a table, with the default of a column in place of NULL. No file is changed."""
    with_default = [c for c in table.columns if c.default is not None]
    present = set(rows.columns) if with_default else set()  # a lake that is not migrated yet lacks new columns
    given = [c for c in with_default if c.name in present]
    if not given:
        return rows
    return rows.withColumns(
        {c.name: F.coalesce(F.col(c.name), F.expr(f"CAST({c.default} AS {c.type})")) for c in given}
    )
