"""A simulated run of ads says exactly what DuckDB makes of the same landing files."""

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
    """What a row is known by: a surrogate is the engine's own."""
    if isinstance(table.write, Scd2) and table.write.surrogate:
        return [*table.write.natural_key, "valid_from"]
    return list(table.key)


@pytest.fixture(scope="module")
def oracle(simulated_ads: Simulated) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables as DuckDB makes them."""
    with connect_oracle(simulated_ads.landing) as connection:
        yield connection


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_row_is_what_duckdb_makes(
    oracle: duckdb.DuckDBPyConnection, simulated_ads: Simulated, table: Table
) -> None:
    """Every table of ads above bronze, row for row, column for column; and there is something to compare."""
    assert oracle.execute(f"SELECT count(*) > 0 FROM {table.name}").fetchall() == [(True,)]
    assert compare(oracle, simulated_ads.lake, table.name, _key(table)) == []


@pytest.mark.slow
def test_ties_limits_and_second_thoughts_are_as_duckdb_makes_them(spark: SparkSession, settings: Settings) -> None:
    """Every table at once, of an hour made of the cases a simulation lacks."""
    ads_edges.land(Path(settings.landing))
    summary = runner.run(spark, settings, ads_edges.START, ads_edges.END)
    assert not summary.errors, summary.errors
    with connect_oracle(Path(settings.landing)) as connection:
        unlike = {t.name: compare(connection, Path(settings.lake), t.name, _key(t)) for t in TABLES}
    assert {name: problems for name, problems in unlike.items() if problems} == {}
