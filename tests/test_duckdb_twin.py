"""A simulated run says exactly what DuckDB makes of the same landing files."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from duckdb_twin import compare, twin
from places import Simulated

KEYS = {
    "dim_ranker_models": ["model_semver", "valid_from"],
    "dim_posts": ["post_id", "valid_from"],
    "dim_creators": ["creator_id", "valid_from"],
    "fct_impressions": ["impression_id"],
    "fct_engagements": ["engagement_id"],
    "fct_dwell_per_impression": ["impression_id"],
    "fct_shares": ["share_id"],
    "agg_post_engagement_hourly": ["post_id", "hour"],
    "agg_ranker_hourly": ["ranker_model_id", "surface", "hour"],
    "mart_post_engagement_daily": ["post_id", "day"],
    "mart_user_affinity_daily": ["viewer_id", "day"],
    "mart_ranker_viewer_daily": ["viewer_id", "ranker_model_id", "day"],
}


@pytest.fixture(scope="module")
def twinned(landed: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables as DuckDB makes them."""
    with twin(landed) as connection:
        yield connection


@pytest.mark.parametrize("table", KEYS)
def test_every_row_is_what_duckdb_makes(twinned: duckdb.DuckDBPyConnection, simulated: Simulated, table: str) -> None:
    """Row for row, column for column, neither missing nor extra; and there is something to compare."""
    assert twinned.execute(f"SELECT count(*) > 0 FROM {table}").fetchall() == [(True,)]
    assert compare(twinned, simulated.lake, table, KEYS[table]) == []
