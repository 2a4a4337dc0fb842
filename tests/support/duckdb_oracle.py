"""Oracle for the feed: DuckDB computes every fact, dimension, rollup and mart again, straight from the landing files.

The statements use nothing of the pipeline's transforms. They follow only the feed specification, so an error would have
to be made twice, in two languages, to stay undetected.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from support.landed_oracle import EVENTS, MACROS, accept, first_record
from support.marts_oracle import INGEST, MARTS, POSITIONS, REACTIONS, ROLLUPS

# --- dimensions (spec 3) --------------------------------------------------------------------------

# Dimension -> (change log, natural key, tracked columns).
DIMENSIONS = {
    "dim_ranker_models": (
        "ranker_models",
        "model_semver",
        "ranker_model_id feature_set deployed_pct model_card_url",
    ),
    "dim_posts": ("posts", "post_id", "creator_id media_type audio_id caption"),
    "dim_creators": ("creators", "creator_id", "handle follower_count country"),
}


def dimension(name: str, log: str, key: str, tracked: str) -> str:
    """Versions of a key: its states in order; equal neighbors are merged; each version ends where the next begins.

    A closed key has the state NULL. The specification does not say which of two states at one instant is kept. The
    oracle keeps an open state, and the smaller one of two open states.
    """
    state = ", ".join(f"{column} := {column}" for column in tracked.split())
    return f"""
        CREATE TABLE {name} AS
        WITH states AS (
            SELECT {key}, effective_ts AS valid_from,
                min(CASE WHEN op = 'upsert' THEN struct_pack({state}) END) AS state
            FROM {log} GROUP BY ALL),
        steps AS (
            SELECT * FROM states
            QUALIFY state IS DISTINCT FROM lag(state) OVER (PARTITION BY {key} ORDER BY valid_from)),
        versions AS (
            SELECT *, lead(valid_from) OVER in_order AS valid_to, lead(state) OVER in_order IS NULL AS is_last
            FROM steps WINDOW in_order AS (PARTITION BY {key} ORDER BY valid_from))
        SELECT {key}, unnest(state), valid_from, valid_to,
            valid_to IS NULL AS is_current, is_last AND valid_to IS NOT NULL AS is_deleted
        FROM versions WHERE state IS NOT NULL"""


# --- facts (spec 4) -------------------------------------------------------------------------------

FACTS = f"""
CREATE TABLE fct_impressions AS
SELECT * EXCLUDE (landed_hour) REPLACE (predicted_score::DECIMAL(8, 6) AS predicted_score),
    id_hour(impression_id) AS impression_hour
FROM {first_record("impressions", "impression_id")};

CREATE TABLE fct_engagements AS
SELECT engagement_id, impression_id, viewer_id, post_id, event_type,
    CASE action WHEN 'undo' THEN original_ts ELSE event_ts END AS event_ts,
    action = 'undo' AS is_undone,
    CASE action WHEN 'undo' THEN event_ts END AS undone_ts,
    comment_id, parent_comment_id, id_hour(impression_id) AS impression_hour,
    date_trunc('hour', CASE action WHEN 'undo' THEN original_ts ELSE event_ts END) AS event_hour
FROM {first_record("engagements", "engagement_id")};

CREATE TABLE fct_dwell_per_impression AS
WITH words AS (
    SELECT impression_id, beat_seq // 64 AS place,
        bit_or(1::UBIGINT << (beat_seq % 64)::UBIGINT)::BIT::BIGINT AS word
    FROM heartbeats GROUP BY ALL),
sets AS (
    SELECT impression_id, map_from_entries(list((place, word))) AS word_at, max(place) AS last
    FROM words GROUP BY ALL)
SELECT impression_id, min(viewer_id) AS viewer_id, 250 * count(DISTINCT beat_seq) AS dwell_ms,
    max(viewport_pct)::DECIMAL(5, 2) AS viewport_pct, max(viewport_pct) >= 0.99 AS was_full_view,
    any_value([coalesce(word_at[i], 0) FOR i IN range(last + 1)]) AS beat_words,
    id_hour(impression_id) AS impression_hour
FROM heartbeats JOIN sets USING (impression_id) GROUP BY impression_id;

CREATE TABLE fct_shares AS
SELECT * EXCLUDE (landed_hour), date_trunc('hour', share_ts) AS share_hour FROM {first_record("shares", "share_id")};
"""


def connect_oracle(landing: Path) -> duckdb.DuckDBPyConnection:
    """A database with every table of the lake above bronze, computed from the landing files."""
    connection = duckdb.connect()
    connection.execute(MACROS)
    for event in EVENTS:
        connection.execute(accept(event, landing))
    for name, log in DIMENSIONS.items():
        connection.execute(dimension(name, *log))
    for statements in (INGEST, FACTS, REACTIONS, ROLLUPS, POSITIONS, MARTS):
        connection.execute(statements)
    return connection
