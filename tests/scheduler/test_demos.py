"""A real Airflow scheduler with many events at once: the lake equals the result of one plain run of the same files."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.airflow import demo_ads, demo_day, demo_hour
from support.airflow.acts import expect_hour, plain_run
from support.airflow.sandbox import ONE_HOUR, ROOT, Sandbox
from support.lakes import existing_tables

from etl import conf
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.sql import views
from etl.model.contract import Table

DOWN_SECONDS = 90  # longer than any process of Airflow waits for its database
SKETCHES = {"_hll": F.hll_sketch_estimate, "_kll": F.kll_sketch_get_n_bigint}


def rows(spark: SparkSession, settings: Settings, table: Table) -> DataFrame:
    """All rows with all columns. Sketches are replaced by their estimate, because their bytes depend on merge order."""
    found = delta.read(spark, views.uri(settings, table))
    estimates = {c.name: SKETCHES[c.name[-4:]](c.name) for c in table.columns if c.type == "BINARY"}
    return found.withColumns(estimates)


def different(spark: SparkSession, one: Settings, other: Settings) -> dict[str, tuple[int, int]]:
    """Tables with different rows: the number of rows that only `one` has, and that only `other` has."""
    assert existing_tables(spark, one) == existing_tables(spark, other)
    found = {}
    for table in existing_tables(spark, one):
        left, right = rows(spark, one, table), rows(spark, other, table)
        found[table.name] = left.exceptAll(right).count(), right.exceptAll(left).count()
    return {name: counts for name, counts in found.items() if any(counts)}


def run_demo(folder: Path, demo: Callable[[Sandbox], None], hours: int) -> tuple[Settings, Settings]:
    """Run a demo that begins `hours` hours ago. Returns its lake, and the lake of one plain run."""
    subprocess.run([str(ROOT / "bin" / "setup-airflow")], check=True)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    sandbox = Sandbox(folder / "airflow", now - hours * ONE_HOUR)
    sandbox.make()
    demo(sandbox)
    scheduled, plain = (conf.load("local", lake=str(sandbox.folder / name)) for name in ("lake", "plain"))
    return scheduled, plain


@pytest.mark.slow
def test_hours_late_files_and_a_backfill_at_the_same_time_equal_one_plain_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Three scheduled hours; the last one fails three audits and is repaired. `demo_day` checks more."""
    assert different(spark, *run_demo(tmp_path, demo_day.show, demo_day.HOURS)) == {}


@pytest.mark.slow
def test_hours_of_ads_and_late_files_equal_one_plain_run(spark: SparkSession, tmp_path: Path) -> None:
    """The run of the next hour finds one late file, and `ads_daily` finds a later one."""
    assert different(spark, *run_demo(tmp_path, demo_ads.show, demo_ads.HOURS)) == {}


@pytest.mark.slow
def test_an_hour_whose_application_was_killed_and_a_cleared_table_equal_one_plain_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    """A second try makes the tables that the killed application left. `demo_hour` checks more."""
    assert different(spark, *run_demo(tmp_path, demo_hour.show, demo_hour.HOURS)) == {}


def database_down(sandbox: Sandbox) -> None:
    """Lock Airflow's database during a running hour, then start Airflow again."""
    sandbox.simulate(sandbox.first, sandbox.first + ONE_HOUR, 60)
    with sandbox.scheduler() as airflow:
        airflow.unpause("feed_hourly")
        airflow.command("feed_hourly", airflow.run_of("feed_hourly", sandbox.first))
        database = sqlite3.connect(sandbox.folder / "airflow.db", timeout=60, isolation_level=None)
        database.execute("BEGIN EXCLUSIVE")
        time.sleep(DOWN_SECONDS)
        database.close()
    with sandbox.scheduler() as airflow:
        expect_hour(airflow, sandbox.first)
    plain_run(sandbox, sandbox.first, sandbox.first + ONE_HOUR)


@pytest.mark.slow
def test_an_hour_during_which_the_airflow_database_is_down_equals_one_plain_run(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes of Airflow wait only briefly for the database. After the restart, the hour runs to its end."""
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT", "60")
    database = tmp_path / "airflow" / "airflow.db"
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{database}?timeout=10")
    assert different(spark, *run_demo(tmp_path, database_down, 1)) == {}
