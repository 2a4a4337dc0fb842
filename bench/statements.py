"""Statements of the SQL peers: the rows of our facts, rollups and marts, without gates, quarantine, history or ledger.

Spark and DuckDB share one text where their dialects agree. `{...}` is replaced where they differ.
"""

from __future__ import annotations

MEASURES = ("likes", "saves", "shares", "comments", "follows", "negatives", "regrets")
_KINDS = {
    "likes": "settled AND event_type = 'like'",
    "saves": "settled AND event_type = 'save'",
    "shares": "settled AND event_type = 'share'",
    "comments": "settled AND event_type = 'comment'",
    "follows": "settled AND event_type = 'follow_creator'",
    "negatives": "settled AND event_type IN ('hide', 'report')",
    "regrets": "regretted",
}
_REACTED = ", ".join(f"count(CASE WHEN {when} THEN 1 END) AS {name}" for name, when in _KINDS.items())
_ZEROED = ", ".join(f"coalesce(r.{name}, 0) AS {name}" for name in MEASURES)
_SEEN = """count(*) AS impressions, approx_count_distinct(i.viewer_id) AS reach,
    count(CASE WHEN d.was_full_view THEN 1 END) AS full_views,
    coalesce(sum(d.dwell_ms), 0) AS dwell_ms_sum, count(d.dwell_ms) AS dwell_count"""
_SEEN_NAMES = "s.impressions, s.reach, s.full_views, s.dwell_ms_sum, s.dwell_count"
_AVERAGE = "CASE WHEN dwell_count = 0 THEN 0 ELSE round(dwell_ms_sum / dwell_count) END AS avg_dwell_ms"

SETTLED = """
SELECT *, undone_at IS NULL AND (nth = 1 OR event_type NOT IN ('like', 'save', 'follow_creator', 'hide')) AS settled,
    coalesce(event_type = 'like' AND copy_number = 1 AND undone_at - event_ts < INTERVAL '5' MINUTE, false) AS regretted
FROM (SELECT *,
        row_number() OVER (PARTITION BY viewer_id, post_id, event_type, event_hour, undone_at IS NULL
                           ORDER BY event_ts, engagement_id) AS nth,
        row_number() OVER (PARTITION BY viewer_id, post_id, event_type, event_ts ORDER BY engagement_id) AS copy_number
    FROM (SELECT *, min(undone_ts) OVER (PARTITION BY viewer_id, post_id, event_type, event_ts) AS undone_at
          FROM fct_engagements) a
    WHERE NOT is_undone) b"""

FACTS = {
    "fct_shares": """SELECT share_id, original_post_id, shared_post_id, viewer_id, share_ts,
        date_trunc('hour', share_ts) AS share_hour FROM ({once:shares:share_id}) s""",
    "fct_impressions": "SELECT *, {id_hour} AS impression_hour FROM ({once:impressions:impression_id}) i",
    "fct_engagements": """SELECT engagement_id, impression_id, viewer_id, post_id, event_type,
        CASE WHEN action = 'undo' THEN original_ts ELSE event_ts END AS event_ts, action = 'undo' AS is_undone,
        CASE WHEN action = 'undo' THEN event_ts END AS undone_ts,
        date_trunc('hour', CASE WHEN action = 'undo' THEN original_ts ELSE event_ts END) AS event_hour
        FROM ({once:engagements:engagement_id}) e""",
    "fct_dwell_per_impression": """SELECT impression_id, min(viewer_id) AS viewer_id,
        250 * count(DISTINCT beat_seq) AS dwell_ms, max(viewport_pct) AS viewport_pct,
        max(viewport_pct) >= 0.99 AS was_full_view, {id_hour} AS impression_hour
        FROM heartbeats GROUP BY impression_id""",
}

ROLLUPS = {
    "agg_post_engagement_hourly": f"""
        WITH s AS (SELECT i.post_id, i.impression_hour AS hour, {_SEEN}
            FROM fct_impressions i LEFT JOIN fct_dwell_per_impression d ON i.impression_id = d.impression_id
            GROUP BY i.post_id, i.impression_hour),
        r AS (SELECT post_id, event_hour AS hour, {_REACTED} FROM settled GROUP BY post_id, event_hour)
        SELECT coalesce(s.post_id, r.post_id) AS post_id, coalesce(s.hour, r.hour) AS hour,
            coalesce(s.impressions, 0) AS impressions, coalesce(s.reach, 0) AS reach,
            coalesce(s.full_views, 0) AS full_views, coalesce(s.dwell_ms_sum, 0) AS dwell_ms_sum,
            coalesce(s.dwell_count, 0) AS dwell_count, {_ZEROED}
        FROM s FULL JOIN r ON s.post_id = r.post_id AND s.hour = r.hour""",
    "agg_ranker_hourly": f"""
        WITH s AS (SELECT i.ranker_model_id, i.surface, i.impression_hour AS hour, {_SEEN}
            FROM fct_impressions i LEFT JOIN fct_dwell_per_impression d ON i.impression_id = d.impression_id
            GROUP BY i.ranker_model_id, i.surface, i.impression_hour),
        r AS (SELECT i.ranker_model_id, i.surface, i.impression_hour AS hour, {_REACTED}
            FROM settled e JOIN fct_impressions i ON e.impression_id = i.impression_id
            WHERE e.event_ts >= i.impression_ts AND e.event_ts < i.impression_ts + INTERVAL '24' HOUR
            GROUP BY i.ranker_model_id, i.surface, i.impression_hour)
        SELECT s.ranker_model_id, s.surface, s.hour, {_SEEN_NAMES}, {_ZEROED}
        FROM s LEFT JOIN r ON s.ranker_model_id = r.ranker_model_id AND s.surface = r.surface AND s.hour = r.hour""",
}

MARTS = {
    "mart_post_engagement_daily": f"""
        WITH s AS (SELECT i.post_id, CAST(i.impression_hour AS DATE) AS day, {_SEEN}
            FROM fct_impressions i LEFT JOIN fct_dwell_per_impression d ON i.impression_id = d.impression_id
            GROUP BY i.post_id, CAST(i.impression_hour AS DATE)),
        r AS (SELECT post_id, CAST(event_hour AS DATE) AS day, {_REACTED}
            FROM settled GROUP BY post_id, CAST(event_hour AS DATE))
        SELECT s.post_id, s.day, s.impressions, s.reach, s.dwell_ms_sum, s.dwell_count, {_AVERAGE}, {_ZEROED},
            coalesce(r.likes, 0) / s.impressions AS like_rate
        FROM s LEFT JOIN r ON s.post_id = r.post_id AND s.day = r.day""",
    "mart_user_affinity_daily": f"""
        WITH s AS (SELECT viewer_id, CAST(impression_hour AS DATE) AS day, count(*) AS impressions
            FROM fct_impressions GROUP BY viewer_id, CAST(impression_hour AS DATE)),
        r AS (SELECT viewer_id, CAST(event_hour AS DATE) AS day, count(*) AS engagements
            FROM settled WHERE settled GROUP BY viewer_id, CAST(event_hour AS DATE)),
        d AS (SELECT viewer_id, CAST(impression_hour AS DATE) AS day, sum(dwell_ms) AS dwell_ms_sum,
            count(*) AS dwell_count FROM fct_dwell_per_impression GROUP BY viewer_id, CAST(impression_hour AS DATE)),
        h AS (SELECT d.viewer_id, CAST(d.impression_hour AS DATE) AS day, p.audio_id, sum(d.dwell_ms) AS dwell
            FROM fct_dwell_per_impression d JOIN fct_impressions i ON d.impression_id = i.impression_id
            JOIN posts p ON i.post_id = p.post_id AND i.impression_ts >= p.effective_ts
            GROUP BY d.viewer_id, CAST(d.impression_hour AS DATE), p.audio_id),
        t AS (SELECT viewer_id, day, audio_id FROM (SELECT *,
            row_number() OVER (PARTITION BY viewer_id, day ORDER BY dwell DESC, audio_id) AS nth FROM h) n
            WHERE nth = 1)
        SELECT viewer_id, day, impressions, engagements, dwell_ms_sum, dwell_count, {_AVERAGE}, top_audio_id
        FROM (SELECT coalesce(s.viewer_id, r.viewer_id, d.viewer_id) AS viewer_id, coalesce(s.day, r.day, d.day) AS day,
                coalesce(s.impressions, 0) AS impressions, coalesce(r.engagements, 0) AS engagements,
                coalesce(d.dwell_ms_sum, 0) AS dwell_ms_sum, coalesce(d.dwell_count, 0) AS dwell_count,
                t.audio_id AS top_audio_id
            FROM s FULL JOIN r ON s.viewer_id = r.viewer_id AND s.day = r.day
            FULL JOIN d ON coalesce(s.viewer_id, r.viewer_id) = d.viewer_id AND coalesce(s.day, r.day) = d.day
            LEFT JOIN t ON coalesce(s.viewer_id, r.viewer_id, d.viewer_id) = t.viewer_id
                AND coalesce(s.day, r.day, d.day) = t.day) u""",
}
DERIVED = {**ROLLUPS, **MARTS}
EVENTS = ("impressions", "engagements", "shares", "heartbeats", "posts")
