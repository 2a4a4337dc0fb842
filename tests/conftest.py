"""One Spark session for the whole test process, and one simulated lake that tests may read but not change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import worker  # noqa: F401
from places import ADS_END, ADS_START, END, START, Simulated, place
from pyspark.sql import SparkSession

from etl import conf
from etl.conf import Settings
from etl.engine import runner, session
from etl.lineage.flow import Lineage
from etl.lineage.house import house
from etl.sources.simulate import simulate
from etl.sources.simulate_ads import AdsScenario, simulate_ads

collect_ignore = ["dags"]  # these need Airflow's environment: `make test-dags`


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A process takes a file at a time, or all files that read the lake of ads, which is costly to make."""
    readers = {item.path for item in items if "simulated_ads" in getattr(item, "fixturenames", ())}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("ads" if item.path in readers else str(item.path)))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """Two local cores, Delta, UTC; set for small hours, which takes about half the work."""
    quick = {"spark": dict(session.SMALL_HOURS)}
    started = session.start(conf.load("local", master="local[2]").model_copy(update=quick), "tests")
    yield started
    started.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty lake and landing zone of the test's own."""
    return place(tmp_path)


@pytest.fixture(scope="session")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated hours of landing files with their truth."""
    out = tmp_path_factory.mktemp("simulated") / "landing"
    simulate(out, START, END, 1000, 7)
    return out


@pytest.fixture(scope="session")
def simulated(spark: SparkSession, landed: Path) -> Simulated:
    """The lake made from `landed`, all three hours in one run."""
    made = place(landed.parent)
    summary = runner.run(spark, made, START, END)
    assert not summary.errors, summary.errors
    return Simulated(landed, landed.parent / "lake", made, summary)


@pytest.fixture(scope="session")
def simulated_ads(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Ten days of ads with six busy hours, over midnight and up to the lock of the first days, in one run."""
    made = place(tmp_path_factory.mktemp("ads"))
    landing = Path(made.landing)
    simulate_ads(landing, AdsScenario(ADS_START, ADS_END, 2400, 7, busy=(22, 23, 24, 30, 96, 120), hot_share=0.5))
    summary = runner.run(spark, made, ADS_START, ADS_END)
    assert not summary.errors, summary.errors
    return Simulated(landing, Path(made.lake), made, summary)


@pytest.fixture(scope="session")
def lineages(spark: SparkSession) -> dict[str, Lineage]:
    """The lineage of every table, from its transform on empty inputs."""
    return house(spark, conf.load("local"))
