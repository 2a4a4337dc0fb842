"""A feed runs for a month: every day is processed, then maintained."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.aged import RAW, raw_files, without_readers
from support.local_lake import local_settings
from support.truth import differences
from test_truth import KEYS

from etl import catalog, conf
from etl.conf import Settings
from etl.engine.jobs import runner
from etl.operations.maintenance import driver
from etl.subjects.feed.simulate import simulate

DAYS, KEPT, IMPRESSIONS = 33, 30, 20  # impressions an hour; in the last three days disk use must not grow
DAY = timedelta(days=1)
FIRST = datetime(2026, 6, 1, tzinfo=UTC)
TABLES = catalog.of_subjects(["feed"])
FOR_GOOD = [name for name in KEYS if catalog.entry(name).table not in RAW]
MAX_GROWTH = 1.05  # days differ a little in their number of records


def raw_bytes(settings: Settings, end: datetime) -> int:
    """Bytes of files, up to a time, of tables that have a deadline and of their landed files."""
    return sum(file.stat().st_size for hour, file in raw_files(settings) if hour < f"{end:%Y-%m-%d %H}")


@pytest.mark.slow
def test_after_a_month_old_hours_are_off_the_disk_and_marts_are_complete(spark: SparkSession, tmp_path: Path) -> None:
    """Orphan files are removed at once: they age by the clock of this machine, and this month takes an hour."""
    delivered = conf.load("local").few_rows
    settings = without_readers(local_settings(tmp_path)).model_copy(update={"few_rows": delivered})
    simulate(Path(settings.landing), FIRST, FIRST + DAYS * DAY, IMPRESSIONS, seed=31)
    used = []
    for number in range(DAYS):
        started, start = time.monotonic(), FIRST + number * DAY
        assert not runner.run(spark, settings, start, start + DAY, TABLES).errors
        driver.maintain(spark, settings, start + DAY, dry_run=False)
        used.append(raw_bytes(settings, start + DAY))
        print(f"day {number + 1}: {used[-1]:,} bytes of raw data, {time.monotonic() - started:.0f} s", flush=True)
    assert min(hour for hour, _ in raw_files(settings)) >= f"{FIRST + (DAYS - KEPT) * DAY:%Y-%m-%d %H}"
    assert max(used[KEPT:]) <= MAX_GROWTH * used[KEPT - 1]
    for table in FOR_GOOD:
        assert differences(spark, settings, Path(settings.landing), table, KEYS[table]) == []
