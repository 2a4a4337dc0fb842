"""Fixtures: one Spark session per test process, simulated lakes that tests may only read, and lakes of one test."""

from __future__ import annotations

import atexit
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar, cast

import pytest
from filelock import FileLock
from pyspark.sql import SparkSession
from soak import shares
from support import toy_chain
from support.lakes import copy
from support.local_lake import ADS_END, ADS_HOURS, ADS_START, CLICK_TABLES, END, START, Simulated, local_settings

from etl import conf
from etl.conf import Settings
from etl.engine.jobs import runner
from etl.engine.spark import session
from etl.lineage.flow import Lineage
from etl.lineage.tables import of_all_tables
from etl.subjects.ads.simulate import AdsScenario, simulate_ads
from etl.subjects.feed.simulate import simulate

os.environ["FEED_ETL_KEYS"] = tempfile.mkdtemp(prefix="feed-etl-keys-")
atexit.register(shutil.rmtree, os.environ["FEED_ETL_KEYS"], ignore_errors=True)
Lake = TypeVar("Lake", Simulated, Settings)
collect_ignore = ["dags"]  # these tests need the environment of Airflow: `make test-dags`


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Lake]) -> Lake:
    """A lake that one process of `make test` builds and all processes read."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        made = folder / "made.pickle"
        if not made.exists():
            made.write_bytes(pickle.dumps(make(folder)))
    return cast(Lake, pickle.loads(made.read_bytes()))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session with two local cores, tuned for few rows. The JVM compiles all code, as this process lives long."""
    started = session.start(session.with_options(conf.load("local", master="local[2]"), session.FEW_ROWS), "tests")
    yield started
    started.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty lake and landing zone for one test."""
    return local_settings(tmp_path)


@pytest.fixture(scope="session")
def one_share(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """A lake with one share of hour 8, landed in hour 10."""

    def make(folder: Path) -> Simulated:
        shares.land(local_settings(folder), 1)
        return _run(spark, folder, (START, END), shares.TABLES)

    return _once(tmp_path_factory, "one-share", make)


@pytest.fixture(scope="session")
def two_shares(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Shares 1 (hour 8, landed at nine) and 2 (hour 9, landed at ten), in two commits of each table."""

    def make(folder: Path) -> Simulated:
        shares.land(local_settings(folder), 1, 9)
        _run(spark, folder, (START, END), shares.TABLES)
        shares.land(local_settings(folder), 2, 10, shared=9)
        return _run(spark, folder, (START, END), shares.TABLES)

    return _once(tmp_path_factory, "two-shares", make)


@pytest.fixture
def lake_with_share(one_share: Simulated, tmp_path: Path) -> Settings:
    """A lake for one test, with one share of hour 8 that landed in hour 10."""
    return copy(one_share, tmp_path)


@pytest.fixture(scope="session")
def made_chain(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Shares on days 1, 2, 2 and 6, and the toy chain of six days, built in one run."""
    return _once(tmp_path_factory, "chain", lambda folder: toy_chain.six_days(spark, folder))


@pytest.fixture
def six_days(made_chain: Settings, tmp_path: Path) -> Settings:
    """A copy of this lake for one test."""
    return copy(made_chain, tmp_path)


@pytest.fixture(scope="session")
def simulated(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Three simulated hours of the feed with their truth, built in one run."""

    def make(folder: Path) -> Simulated:
        simulate(folder / "landing", START, END, 1000, 7)
        return _run(spark, folder, (START, END))

    return _once(tmp_path_factory, "simulated", make)


@pytest.fixture(scope="session")
def landed(simulated: Simulated) -> Path:
    """The landing files of `simulated`."""
    return simulated.landing


@pytest.fixture(scope="session")
def simulated_ads(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Ten days of ads with six busy hours, over midnight and up to the lock of the first days, built in one run."""

    def make(folder: Path) -> Simulated:
        scenario = AdsScenario(ADS_START, ADS_END, 2400, 7, busy=(22, 23, 24, 30, 96, 120), hot_share=0.5)
        simulate_ads(folder / "landing", scenario)
        return _run(spark, folder, (ADS_START, ADS_END))

    return _once(tmp_path_factory, "simulated-ads", make)


@pytest.fixture(scope="session")
def ads_hours(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Three hours of ads over midnight, built in one run; only the tables of clicks and sessions."""

    def make(folder: Path) -> Simulated:
        simulate_ads(folder / "landing", AdsScenario(*ADS_HOURS, 200, 7, busy=(0, 1, 2)))
        return _run(spark, folder, ADS_HOURS, CLICK_TABLES)

    return _once(tmp_path_factory, "ads-hours", make)


def _run(
    spark: SparkSession, folder: Path, interval: tuple[datetime, datetime], tables: list[str] | None = None
) -> Simulated:
    made = local_settings(folder)
    summary = runner.run(spark, made, *interval, tables)
    assert not summary.errors, summary.errors
    return Simulated(Path(made.landing), Path(made.lake), made, summary)


@pytest.fixture(scope="session")
def lineages(spark: SparkSession) -> dict[str, Lineage]:
    """The lineage of every table, computed from its transform on empty inputs."""
    return of_all_tables(spark, conf.load("local"))
