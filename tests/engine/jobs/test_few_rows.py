"""A table made of few rows is made in one task, without generated code: the same rows, in fewer files."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from support.lakes import uri
from support.local_lake import END, START, Simulated

from etl import catalog, conf
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.spark import files
from etl.engine.state.ledger import Ledger


def needed(table: str) -> set[str]:
    """A table and all it reads, at any remove."""
    return {table}.union(*(needed(name) for name in catalog.reads(catalog.entry(table).table)))


TABLES = sorted(needed("agg_ranker_hourly"))


@pytest.fixture(scope="module")
def few(spark: SparkSession, simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The simulated hours in a lake of its own, with the limit as it is delivered: all of it is few rows."""
    lake = tmp_path_factory.mktemp("few") / "lake"
    update = {"lake": str(lake), "few_rows": conf.load("local").few_rows}
    settings = simulated.settings.model_copy(update=update)
    assert not runner.run(spark, settings, START, END, TABLES).errors
    return settings


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_the_same(spark: SparkSession, simulated: Simulated, few: Settings, table: str) -> None:
    made, wanted = (Ledger(spark, files.absolute(s.lake)).state(table) for s in (few, simulated.settings))
    assert made == wanted


def test_an_hour_is_one_file(spark: SparkSession, simulated: Simulated, few: Settings) -> None:
    def most(settings: Settings) -> int:
        live = delta.live_files(spark, uri(settings, "fct_impressions"))
        return int(live.groupBy("partitionValues.impression_hour").count().agg({"count": "max"}).collect()[0][0])

    assert most(simulated.settings) > 1
    assert most(few) == 1


def test_other_sessions_stay_as_they_are(spark: SparkSession, few: Settings) -> None:
    assert spark.conf.get("spark.sql.shuffle.partitions") == str(few.shuffle_partitions)
