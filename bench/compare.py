"""Compares every row and every exact measure of feed-etl with a peer, before any time is reported."""

from __future__ import annotations

from pathlib import Path

import duckdb
from deltalake import DeltaTable
from pyarrow import fs

_MEASURES = "likes, saves, shares, comments, follows, negatives, regrets"
COMPARED = {
    "fct_shares": "share_id, original_post_id, shared_post_id, viewer_id, epoch_us(share_ts)",
    "fct_impressions": "impression_id, viewer_id, post_id, surface, ranker_model_id, epoch_us(impression_ts), "
    "epoch_us(impression_hour)",
    "fct_engagements": "engagement_id, impression_id, viewer_id, post_id, event_type, epoch_us(event_ts), is_undone",
    "fct_dwell_per_impression": "impression_id, viewer_id, dwell_ms, was_full_view",
    "agg_post_engagement_hourly": f"post_id, epoch_us(hour), impressions, full_views, dwell_ms_sum, dwell_count, "
    f"{_MEASURES}",
    "agg_ranker_hourly": f"ranker_model_id, surface, epoch_us(hour), impressions, full_views, dwell_ms_sum, "
    f"dwell_count, {_MEASURES}",
    "mart_post_engagement_daily": f"post_id, day, impressions, dwell_ms_sum, dwell_count, {_MEASURES}",
    "mart_user_affinity_daily": "viewer_id, day, impressions, engagements, dwell_ms_sum, dwell_count, top_audio_id",
}


def _register(connection: duckdb.DuckDBPyConnection, name: str, lake: Path, table: str) -> None:
    parquet = lake / f"{table}.parquet"
    if parquet.exists():
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet('{parquet}')")
        return
    folder = next(f for f in (lake / table, *lake.glob(f"*/{table}")) if f.exists())
    files = fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem())
    connection.execute(f"DROP VIEW IF EXISTS {name}")
    connection.register(name, DeltaTable(str(folder)).to_pyarrow_dataset(filesystem=files))


def _only_in(connection: duckdb.DuckDBPyConnection, columns: str, one: str, other: str) -> int:
    query = f"SELECT count(*) FROM (SELECT {columns} FROM {one} EXCEPT ALL SELECT {columns} FROM {other})"
    return int(connection.execute(query).fetchall()[0][0])


def differences(ours: Path, peer: Path, compared: dict[str, str] = COMPARED) -> list[str]:
    """Tables with different rows, and how many rows only one side has. Empty when both sides are equal."""
    connection, found = duckdb.connect(), []
    connection.execute("SET TimeZone = 'UTC'")
    for table, columns in compared.items():
        _register(connection, "ours", ours, table)
        _register(connection, "peer", peer, table)
        extra = _only_in(connection, columns, "ours", "peer")
        missing = _only_in(connection, columns, "peer", "ours")
        if extra or missing:
            found.append(f"{table}: {extra} rows only in ours, {missing} only in the peer's")
    return found
