"""A simulated lake one month later, and helpers for tests of maintenance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import SparkSession
from test_order import content

from etl import catalog
from etl.conf import Settings
from etl.engine.jobs.run_context import RunContext
from etl.operations.backfill import driver as backfills
from etl.operations.retention import window
from etl.operations.retention.action import Action
from etl.operations.retention.window import Window
from support.local_lake import START

HOUR = timedelta(hours=1)
LATER = datetime(2026, 7, 1, 10, tzinfo=UTC)  # hours 8 and 9 of the first of June are past 30 days, hour 10 is not
EXPIRED = [START, START + HOUR]
RAW = [t for t in catalog.tables() if t.retention_days and "feed" in catalog.subjects_of(t)]


def without_readers(settings: Settings) -> Settings:
    """Settings that let maintenance remove files of earlier versions at once."""
    keep = settings.maintenance.model_copy(update={"readers_hours": 0})
    return settings.model_copy(update={"maintenance": keep})


def do(context: RunContext, step: Callable[[Window], Iterator[Action]], now: datetime = LATER) -> list[Action]:
    """Plan one step of maintenance, run it and return its actions."""
    planned = list(step(look(context, now)))
    for action in planned:
        if action.do:
            action.do()
    context.ledger.flush()
    return planned


def look(context: RunContext, now: datetime | None = LATER) -> Window:
    """The maintenance window of a lake, including unfinished backfills."""
    _, register = backfills.open_lake(context.spark, context.settings)
    return window.look(context, [b for b in register.all() if b.in_flight], now, yes=True)


def on_disk(folder: str) -> dict[str, float]:
    """Every file below a folder, with its modification time."""
    return {str(f): f.stat().st_mtime for f in Path(folder).rglob("*") if f.is_file()}


def raw_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Every data file of a raw table and every landed file of a raw event, with its hour, such as `2026-06-01 08`."""
    events = {t.event.name for t in RAW if t.event}
    tables = [f for t in RAW for f in (Path(settings.lake) / t.layer.name.lower() / t.name).rglob("*.parquet")]
    landed = [f for e in events for f in (Path(settings.landing) / e).rglob("*") if f.is_file()]
    for file in (f for f in [*tables, *landed] if "=" in f.parent.name):
        yield file.parent.name.split("=")[1].replace("T", " ")[:13], file


def hours_on_disk(settings: Settings) -> set[str]:
    """Hours that have at least one raw file."""
    return {hour for hour, _ in raw_files(settings)}


def kept_for_good(spark: SparkSession, settings: Settings) -> dict[str, object]:
    """Content of dimensions, rollups and marts, which are kept for good."""
    raw = {t.name for t in RAW}
    return {name: found for name, found in content(spark, settings).items() if name not in raw}
