"""The tables of a simulated run equal the tables that the DuckDB oracle computes from the same landing files."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession
from support.duckdb_oracle import connect_oracle
from support.local_lake import Simulated
from support.oracle_compare import compare

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.sql import views

KEYS = {
    "dim_ranker_models": ["model_semver", "valid_from"],
    "dim_posts": ["post_id", "valid_from"],
    "dim_creators": ["creator_id", "valid_from"],
    "fct_impressions": ["impression_id"],
    "fct_engagements": ["engagement_id"],
    "fct_dwell_per_impression": ["impression_id"],
    "fct_shares": ["share_id"],
    "agg_ingest_hourly": ["event", "landed_hour"],
    "agg_post_engagement_hourly": ["post_id", "hour"],
    "agg_ranker_hourly": ["ranker_model_id", "surface", "hour"],
    "agg_ranker_position_hourly": ["ranker_model_id", "surface", "position_bucket", "score_bucket", "hour"],
    "agg_ranker_position_daily": ["ranker_model_id", "surface", "position_bucket", "score_bucket", "day"],
    "mart_post_engagement_daily": ["post_id", "day"],
    "mart_user_affinity_daily": ["viewer_id", "day"],
    "mart_ranker_viewer_daily": ["viewer_id", "ranker_model_id", "day"],
}


@pytest.fixture(scope="module")
def oracle(landed: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the tables of the oracle."""
    with connect_oracle(landed) as connection:
        yield connection


@pytest.mark.parametrize("table", KEYS)
def test_every_row_equals_the_oracle(oracle: duckdb.DuckDBPyConnection, simulated: Simulated, table: str) -> None:
    """Compare row by row and column by column, in both directions; the table must not be empty."""
    assert oracle.execute(f"SELECT count(*) > 0 FROM {table}").fetchall() == [(True,)]
    assert compare(oracle, simulated.lake, table, KEYS[table]) == []


KLL_ERROR = 0.0133
"""Published by DataSketches for k = 200: the rank error of a quantile, with 99 % confidence."""


def test_lag_sketches_give_quantiles_of_the_true_lags(
    spark: SparkSession, oracle: duckdb.DuckDBPyConnection, simulated: Simulated
) -> None:
    """The share of true lags at or below an estimated quantile equals its rank, within the error of the sketch."""
    ranks = (0.5, 0.9, 0.99)
    quantiles = [f"kll_sketch_get_quantile_bigint(lag_kll, {rank}D) AS q{i}" for i, rank in enumerate(ranks)]
    rows = delta.read(spark, views.uri(simulated.settings, catalog.entry("agg_ingest_hourly").table))
    found = rows.where("lag_kll IS NOT NULL").selectExpr("event", "string(landed_hour) || '+00' AS hour", *quantiles)
    within = []
    for row in found.collect():
        of = "FROM arrivals WHERE event = ? AND landed_hour = ?::TIMESTAMPTZ"
        for i, rank in enumerate(ranks):
            query = f"SELECT avg((lag_seconds < ?)::INT), avg((lag_seconds <= ?)::INT) {of}"
            below, upto = oracle.execute(query, [row[f"q{i}"]] * 2 + [row["event"], row["hour"]]).fetchall()[0]
            within.append(below - 2 * KLL_ERROR <= rank <= upto + 2 * KLL_ERROR)
    assert len(within) >= 3 * 3 * len(ranks) and all(within)
