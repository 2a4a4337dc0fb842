"""A lake of an earlier release goes on: its ledger, its logs and its tables are read, continued and found sound.

`tests/golden/<release>.tar.xz` has the lake and the landing zone of two hours, of which the release processed the first
and rebuilt one table of it by a backfill.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.lakes import uri
from support.local_lake import local_settings
from support.rows import at

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from etl.engine.state.ledger import Ledger
from etl.operations.check import driver as check

RELEASES = sorted((Path(__file__).parent / "golden").glob("*.tar.xz"))
TABLES = ["bronze_shares", "bronze_posts", "dim_posts", "fct_shares", "fct_dwell_per_impression", "quarantine"]
TEN, ELEVEN, NOON = at("10:00"), at("11:00"), at("12:00")


@pytest.fixture(params=RELEASES, ids=lambda file: file.name.removesuffix(".tar.xz"))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The lake and the landing zone of a release, with the times of the files."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return local_settings(tmp_path)


def content(spark: SparkSession, settings: Settings, table: str) -> list[str]:
    """The rows of a table, without the path of the landing zone, which is another one for each test."""
    return sorted(map(str, delta.read(spark, uri(settings, table)).drop("source_file").collect()))


def run(spark: SparkSession, settings: Settings) -> Summary:
    summary = runner.run(spark, settings, TEN, NOON, tables=[t for t in TABLES if t != "quarantine"])
    assert not summary.errors, summary.errors
    return summary


def test_a_lake_of_an_earlier_release_is_continued(spark: SparkSession, old: Settings, tmp_path: Path) -> None:
    """Only the hour that it lacks is processed. All tables are then as those of a lake made by this release."""
    ledger = Ledger.existing(spark, Path(old.lake).as_uri())
    assert {e.table_name for e in ledger.entries} == set(TABLES)
    assert any(e.run_id.startswith("backfill-") for e in ledger.published("fct_shares"))

    summary = run(spark, old)

    assert {hour for e in summary.entries for hour in e.processed_hours} == {ELEVEN}
    new = old.model_copy(update={"lake": str(tmp_path / "new")})
    run(spark, new)
    for table in TABLES:
        assert content(spark, old, table) == content(spark, new, table), table
    assert [found for found, _ in check.check(spark, old, deep=True) if found.table in TABLES] == []
