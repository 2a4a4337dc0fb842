"""Which subject areas a landing zone has: a run that names neither tables nor subjects does those that land."""

from __future__ import annotations

from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.spark import files


def landed(spark: SparkSession, settings: Settings) -> list[str]:
    """Subjects with a folder for any of their events; all of them where nothing has landed at all."""
    root = files.absolute(settings.landing)
    found = [
        name
        for name, subject in catalog.subjects().items()
        if any(files.exists(spark, f"{root}/{event.name}") for event in subject.events)
    ]
    return found or list(catalog.subjects())
