"""How far a lake has got: the newest landed hour that its runs processed. No value of a record moves it."""

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
"""Of an hour in which nothing landed."""


def newest(spark: SparkSession, lake: str, table: Table) -> datetime:
    """The start of the newest landed hour from which any table of the same subjects was published.

    An hour counts when files landed in it. Raises LakeError when there is none.
    """
    mine = catalog.subjects_of(table)
    names = [t.name for t in catalog.tables() if t.event and catalog.subjects_of(t) & mine]
    uri = f"{lake}/_ledger"
    if delta.is_table(spark, uri):
        runs = delta.read(spark, uri).where(F.col("table_name").isin(names) & F.expr("verdict = 'passed'"))
        hours = runs.select(F.explode("fingerprints").alias("hour", "fingerprint"))
        found = hours.where(F.col("fingerprint") != EMPTY).agg(F.max("hour")).collect()[0][0]
        if found:
            return datetime.fromisoformat(found).astimezone(UTC)
    raise LakeError(f"Nothing has landed for {table.name} yet: give `end`, or run `feed-etl run` first.")
