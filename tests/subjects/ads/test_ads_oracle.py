"""A run of simulated ads gives the same tables as the oracle, which computes them from the landing files in DuckDB."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession
from support import ads_edges
from support.ads_oracle import connect_oracle
from support.local_lake import Simulated
from support.oracle_compare import compare

from etl import catalog
from etl.conf import Settings
from etl.engine.jobs import runner
from etl.model.contract import Layer, Scd2, Table

TABLES = [t for name in catalog.of_subjects(["ads"]) if (t := catalog.entry(name).table).layer > Layer.BRONZE]


def _key(table: Table) -> list[str]:
    """The columns that identify a row. A surrogate key is a hash of Spark, so it is replaced by the natural key."""
    if isinstance(table.write, Scd2) and table.write.surrogate:
        return [*table.write.natural_key, "valid_from"]
    return list(table.key)


@pytest.fixture(scope="module")
def oracle(simulated_ads: Simulated) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables that DuckDB computes."""
    with connect_oracle(simulated_ads.landing) as connection:
        yield connection


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_equals_the_oracle(
    oracle: duckdb.DuckDBPyConnection, simulated_ads: Simulated, table: Table
) -> None:
    """Compares every row and column of every ads table above bronze. The table must not be empty."""
    assert oracle.execute(f"SELECT count(*) > 0 FROM {table.name}").fetchall() == [(True,)]
    assert compare(oracle, simulated_ads.lake, table.name, _key(table)) == []


@pytest.mark.slow
def test_ties_limits_and_late_changes_equal_the_oracle(spark: SparkSession, settings: Settings) -> None:
    """Compares all tables of an hour that consists of edge cases the simulator does not produce."""
    ads_edges.land(Path(settings.landing))
    summary = runner.run(spark, settings, ads_edges.START, ads_edges.END)
    assert not summary.errors, summary.errors
    with connect_oracle(Path(settings.landing)) as connection:
        differing = {t.name: compare(connection, Path(settings.lake), t.name, _key(t)) for t in TABLES}
    assert {name: problems for name, problems in differing.items() if problems} == {}
