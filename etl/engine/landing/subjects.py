"""Finds the subjects that a landing zone has data of: the default of a run that names neither tables nor subjects."""

from __future__ import annotations

from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.landing.reader import event_uri
from etl.engine.spark import files


def landed(spark: SparkSession, settings: Settings) -> list[str]:
    """The subjects with a folder for at least one of their events; all subjects when nothing has landed at all."""
    found = [
        name
        for name, subject in catalog.subjects().items()
        if any(files.exists(spark, event_uri(settings, event)) for event in subject.events)
    ]
    return found or list(catalog.subjects())
