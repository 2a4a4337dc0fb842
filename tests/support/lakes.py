"""Helpers for tests that change a lake."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import in_hours
from etl.engine.sql import views
from etl.model.contract import Table
from support.local_lake import Simulated, local_settings


def uri(settings: Settings, table: str) -> str:
    """The URI of a table."""
    return views.uri(settings, catalog.entry(table).table)


def existing_tables(spark: SparkSession, settings: Settings) -> list[Table]:
    """The tables that exist in a lake: those of the subjects that landed."""
    return [t for t in catalog.tables() if delta.is_table(spark, uri(settings, t.name))]


def drop(spark: SparkSession, settings: Settings, table: str, hours: list[datetime]) -> None:
    """Delete hours of a table without a ledger row."""
    spark.conf.set(delta.METADATA, "")
    where = in_hours(catalog.entry(table).table, hours)
    spark.sql(f"DELETE FROM delta.`{uri(settings, table)}` WHERE {where}")


def versions(spark: SparkSession, settings: Settings) -> dict[str, int]:
    """The current version of every table."""
    return {t.name: delta.current_version(spark, uri(settings, t.name)) for t in existing_tables(spark, settings)}


def moved(spark: SparkSession, settings: Settings, before: dict[str, int]) -> set[str]:
    """Names of the tables that have a newer version than `before`."""
    return {name for name, version in versions(spark, settings).items() if version != before[name]}


def copy(simulated: Simulated | Settings, folder: Path) -> Settings:
    """Copy a lake and its landing zone for one test. File times are kept, so that a run finds nothing new."""
    settings = local_settings(folder)
    shutil.copytree(simulated.lake, settings.lake)
    shutil.copytree(simulated.landing, settings.landing)
    return settings


def land(settings: Settings, event: str, hour: int, name: str, records: Sequence[Mapping[str, Any] | str]) -> None:
    """Land a JSON Lines file for an hour of 1 June 2026. A record that is text is written unchanged."""
    folder = Path(settings.landing) / event / f"hour=2026-06-01T{hour:02}"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records]
    (folder / name).write_text("\n".join(lines) + "\n")
