"""Finds the newest landed hour that the runs of a lake have processed. Values of records have no influence on it."""

from __future__ import annotations

from datetime import UTC, datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.landing.reader import Landed
from etl.errors import LakeError
from etl.model.contract import Table

EMPTY = Landed(datetime.min, ()).fingerprint
"""Fingerprint of a landed hour without files."""


def newest(spark: SparkSession, lake: str, table: Table) -> datetime:
    """The start of the newest landed hour with files from which any table of the same subjects was published.

    Raises LakeError when there is none.
    """
    subjects = catalog.subjects_of(table)
    names = [t.name for t in catalog.tables() if t.event and catalog.subjects_of(t) & subjects]
    uri = f"{lake}/_ledger"
    if delta.is_table(spark, uri):
        runs = delta.read(spark, uri).where(F.col("table_name").isin(names) & F.expr("verdict = 'passed'"))
        hours = runs.select(F.explode("fingerprints").alias("hour", "fingerprint"))
        found = hours.where(F.col("fingerprint") != EMPTY).agg(F.max("hour")).collect()[0][0]
        if found:
            return datetime.fromisoformat(found).astimezone(UTC)
    raise LakeError(f"Nothing has landed for {table.name} yet: give `end`, or run `feed-etl run` first.")
