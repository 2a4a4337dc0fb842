"""Every table as a view by its name, for SQL."""

from __future__ import annotations

import re

from pyspark.sql import DataFrame, SparkSession

from etl import catalog
from etl.conf import Settings
from etl.contract import Table
from etl.engine import delta
from etl.engine.files import absolute
from etl.errors import LakeError


def uri(settings: Settings, table: Table) -> str:
    """Where a table of a lake is."""
    return f"{absolute(settings.lake)}/{table.layer.name.lower()}/{table.name}"


def table_rows(spark: SparkSession, settings: Settings, table: Table) -> int | None:
    """Published rows, from the log's statistics; None when the table is not there yet."""
    where = uri(settings, table)
    return delta.read(spark, where).count() if delta.is_table(spark, where) else None


def register(spark: SparkSession, settings: Settings, query: str) -> None:
    """Make a view of each table that a query names. Raises LakeError when the lake does not have it yet."""
    words = set(re.findall(r"\w+", query.lower()))
    found = {t.name: uri(settings, t) for t in catalog.tables() if t.name in words}
    if "ledger" in words:
        found["ledger"] = f"{absolute(settings.lake)}/_ledger"
    for name, where in found.items():
        if not delta.is_table(spark, where):
            raise LakeError(f"{name} is not in the lake yet ({where}). Run `feed-etl run` first.")
        delta.read(spark, where).createOrReplaceTempView(name)


def query(spark: SparkSession, settings: Settings, text: str) -> DataFrame:
    """The rows of a query over tables by their names."""
    register(spark, settings, text)
    return spark.sql(text)
