"""A table with few input rows is made in one task and without code generation: the same rows in fewer files."""

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
    """A table and its direct and indirect inputs."""
    return {table}.union(*(needed(name) for name in catalog.reads(catalog.entry(table).table)))


TABLES = sorted(needed("agg_ranker_hourly"))


@pytest.fixture(scope="module")
def few(spark: SparkSession, simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The simulated hours in another lake, with the default limit of `few_rows`: every table is below it."""
    lake = tmp_path_factory.mktemp("few") / "lake"
    update = {"lake": str(lake), "few_rows": conf.load("local").few_rows}
    settings = simulated.settings.model_copy(update=update)
    assert not runner.run(spark, settings, START, END, TABLES).errors
    return settings


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_have_the_same_rows(spark: SparkSession, simulated: Simulated, few: Settings, table: str) -> None:
    made, wanted = (Ledger(spark, files.absolute(s.lake)).state(table) for s in (few, simulated.settings))
    assert made == wanted


def test_every_hour_is_one_file(spark: SparkSession, simulated: Simulated, few: Settings) -> None:
    def max_files_per_hour(settings: Settings) -> int:
        live = delta.live_files(spark, uri(settings, "fct_impressions"))
        return int(live.groupBy("partitionValues.impression_hour").count().agg({"count": "max"}).collect()[0][0])

    assert max_files_per_hour(simulated.settings) > 1
    assert max_files_per_hour(few) == 1


def test_the_configuration_of_other_sessions_does_not_change(spark: SparkSession, few: Settings) -> None:
    assert spark.conf.get("spark.sql.shuffle.partitions") == str(few.shuffle_partitions)
