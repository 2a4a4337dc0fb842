"""Finds the newest landed hour that the runs of a lake have processed, and the hours that no run has read.

Values of records have no influence on either.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.landing import reader
from etl.engine.landing.reader import Landed
from etl.engine.spark import files
from etl.errors import LakeError
from etl.model.contract import Event, Table

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


def unread(spark: SparkSession, settings: Settings, event: Event, read: Collection[str]) -> dict[datetime, datetime]:
    """Landed hour -> when the first of its files arrived, for the hours with files that are not in `read`."""
    folders = files.list_folders(spark, reader.event_uri(settings, event))
    hours = [hour for folder in folders if (hour := reader.hour_of(folder.name)) and hour.isoformat() not in read]
    return {
        landed.hour: datetime.fromtimestamp(min(file.modified for file in landed.files) / 1000, UTC)
        for landed in reader.listing(spark, settings, event, hours)
        if landed.files
    }
