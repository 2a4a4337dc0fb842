"""The drill of docs/backup.md: copied while runs go on, the original lost, put back, restored, run on: nothing is lost.

The test runs the commands of that page.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.lakes import existing_tables, uri
from support.local_lake import START, local_settings

from etl import catalog, conf
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.state.planner import HOUR
from etl.operations.check import driver as checks
from etl.operations.maintenance import driver as maintenance
from etl.operations.restore import driver
from etl.operations.restore.plan import Point
from etl.subjects.feed.simulate import simulate

HOURS = 5
NEEDS_RSYNC = pytest.mark.skipif(shutil.which("rsync") is None, reason="needs rsync (Debian: apt-get install rsync)")


def run(spark: SparkSession, settings: Settings, hours: range) -> None:
    """Run some of the hours, one by one."""
    for number in hours:
        start = START + number * HOUR
        assert not (errors := runner.run(spark, settings, start, start + HOUR).errors), errors


def contents(spark: SparkSession, settings: Settings) -> dict[str, object]:
    """Table -> hour -> rows and checksum; of a table without hours its rows."""
    return {t.name: _content(spark, settings, t.name) for t in existing_tables(spark, settings)}


def _content(spark: SparkSession, settings: Settings, name: str) -> object:
    table, rows = catalog.entry(name).table, delta.read(spark, uri(settings, name))
    if table.hour and catalog.has_job(table):
        return checksums.by_hour(rows, table)
    return sorted(map(str, rows.select(*table.column_names).collect()))


def copy(settings: Settings, to: Path) -> None:
    """Run the commands of the page."""
    page = (conf.home() / "docs" / "backup.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```bash\n(.*?)```", page, re.S)
    places = {"LAKE": settings.lake, "LANDING": settings.landing, "COPY": str(to)}
    subprocess.run(["bash", "-c", commands], env=os.environ | places, check=True)


@pytest.mark.slow
@NEEDS_RSYNC
def test_a_lake_copied_under_load_and_lost_goes_on_as_if_it_had_never_been_lost(
    spark: SparkSession, tmp_path: Path
) -> None:
    settings, landing = local_settings(tmp_path), tmp_path / "landing"
    simulate(landing, START, START + HOURS * HOUR, 300, 7)
    shutil.copytree(landing, tmp_path / "original")
    run(spark, settings, range(1))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, spark.newSession(), settings, range(1, 4))
        is_copied = False
        while not is_copied or not running.done():
            copy(settings, tmp_path / "copy")
            maintenance.maintain(spark, settings, None, dry_run=False)
            is_copied = True
        running.result()
    _lose(settings)
    shutil.move(tmp_path / "copy" / "lake", settings.lake)
    shutil.move(tmp_path / "copy" / "landing", landing)
    driver.restore(spark, settings, driver.plan(spark, settings, Point()), print)
    assert [str(finding) for finding, _ in checks.check(spark, settings, deep=True) if not finding.is_note] == []
    run(spark, settings, range(HOURS))
    restored = contents(spark, settings)
    _lose(settings)
    shutil.move(tmp_path / "original", landing)
    run(spark, settings, range(HOURS))
    assert restored == contents(spark, settings)


def _lose(settings: Settings) -> None:
    for folder in (settings.lake, settings.landing):
        shutil.rmtree(folder)
