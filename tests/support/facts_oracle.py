"""Oracle for named queries of the feed: DuckDB answers each one from facts, without rollups, marts or query code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from support.landed_oracle import MACROS
from support.marts_oracle import REACTIONS

Rows = list[dict[str, Any]]

TRUTH_TABLES = (
    "fct_impressions",
    "fct_engagements",
    "fct_dwell_per_impression",
    "fct_shares",
    "dim_ranker_models",
    "dim_posts",
    "dim_creators",
)

# Versions that began by the end of the interval. The last one is live unless it ended by then.
_THEN = """
posts_then AS (
    SELECT post_id, max_by(creator_id, valid_from) AS creator_id,
        NOT bool_or(valid_to IS NULL OR valid_to > $end::TIMESTAMPTZ) AS is_deleted
    FROM dim_posts WHERE valid_from <= $end::TIMESTAMPTZ GROUP BY post_id),
creators_then AS (
    SELECT creator_id, handle FROM dim_creators
    WHERE valid_from <= $end::TIMESTAMPTZ AND (valid_to IS NULL OR valid_to > $end::TIMESTAMPTZ))
"""

CREATOR_ANALYTICS = f"""
WITH {_THEN},
mine AS (FROM posts_then),
served AS (SELECT * FROM watched WHERE impression_hour >= $start::DATE AND impression_hour < $end::DATE),
reacted AS (
    SELECT post_id, measure, count(*) AS n FROM reactions
    WHERE (post_id, event_hour::DATE) IN (SELECT (post_id, impression_hour::DATE) FROM served) GROUP BY ALL),
counted AS (
    SELECT post_id, coalesce(sum(n) FILTER (measure = 'likes'), 0) AS likes,
        coalesce(sum(n) FILTER (measure = 'saves'), 0) AS saves,
        coalesce(sum(n) FILTER (measure = 'shares'), 0) AS shares FROM reacted GROUP BY post_id),
shown AS (
    SELECT post_id, count(*) AS impressions, count(DISTINCT viewer_id) AS reach,
        average(coalesce(sum(dwell_ms), 0), count(dwell_ms)) AS avg_dwell_ms FROM served GROUP BY post_id)
SELECT post_id, impressions, reach, coalesce(likes, 0)::BIGINT AS likes, coalesce(saves, 0)::BIGINT AS saves,
    coalesce(shares, 0)::BIGINT AS shares, rate(coalesce(likes, 0), impressions) AS like_rate,
    rate(coalesce(saves, 0), impressions) AS save_rate, rate(coalesce(shares, 0), impressions) AS share_rate,
    avg_dwell_ms, is_deleted,
    (SELECT count(DISTINCT viewer_id) FROM served JOIN mine USING (post_id) WHERE creator_id = $creator_id)
        AS creator_reach,
    sum(impressions) OVER ()::BIGINT AS creator_impressions
FROM shown LEFT JOIN counted USING (post_id) JOIN mine USING (post_id) WHERE creator_id = $creator_id
ORDER BY impressions DESC, post_id
"""

_HOURS = f"""{_THEN},
post_hours AS (
    SELECT post_id, hour, count(*) FILTER (kind = 'impressions') AS impressions,
        count(*) FILTER (kind = 'likes') AS likes, count(*) FILTER (kind = 'shares') AS shares,
        count(*) FILTER (kind = 'negatives') AS negatives,
        count(*) FILTER (kind IN ('likes', 'saves', 'shares', 'comments', 'follows')) AS engagements
    FROM (SELECT post_id, impression_hour AS hour, 'impressions' AS kind FROM fct_impressions
          UNION ALL SELECT post_id, event_hour, measure FROM reactions)
    GROUP BY ALL),
served AS (SELECT post_id, creator_id FROM posts_then WHERE NOT is_deleted)
"""

BRAND_SAFETY_VELOCITY = f"""
WITH {_HOURS},
gone AS (SELECT post_id FROM posts_then WHERE is_deleted)
SELECT n.post_id, n.hour, n.impressions, n.negatives
FROM post_hours n JOIN post_hours b ON b.post_id = n.post_id AND b.hour + INTERVAL 1 HOUR = n.hour AND b.impressions > 0
WHERE n.hour >= $start AND n.hour < $end AND n.impressions > $min_impressions
    AND 1000 * n.negatives > 5 * n.impressions
    AND 1000 * (n.negatives * b.impressions - b.negatives * n.impressions) > 3 * n.impressions * b.impressions
    AND n.post_id NOT IN (SELECT post_id FROM gone)
ORDER BY n.negatives / n.impressions - b.negatives / b.impressions DESC, n.hour, n.post_id
"""

TOP_CREATORS = f"""
WITH {_HOURS}
SELECT s.creator_id, any_value(c.handle) AS handle, sum(impressions)::BIGINT AS views, sum(likes)::BIGINT AS reactions,
    sum(shares)::BIGINT AS shares,
    CASE WHEN sum(impressions) > 0 THEN rate(sum(shares), sum(impressions)) END AS share_rate
FROM post_hours JOIN served s USING (post_id)
    LEFT JOIN creators_then c ON c.creator_id = s.creator_id
WHERE hour >= $start AND hour < $end
GROUP BY s.creator_id ORDER BY shares DESC, views DESC, s.creator_id LIMIT $limit
"""

FEED_SIGNALS = f"""
WITH {_HOURS}
SELECT post_id, any_value(creator_id) AS creator_id,
    sum(engagements * 0.5 ** ((epoch($end - hour) / 3600 - 1) / $half_life_hours)) AS signal,
    sum(impressions * 0.5 ** ((epoch($end - hour) / 3600 - 1) / $half_life_hours)) AS decayed_impressions,
    CASE WHEN decayed_impressions > 0 THEN signal / decayed_impressions END AS signal_rate,
    sum(engagements)::BIGINT AS engagements, sum(impressions)::BIGINT AS impressions
FROM post_hours JOIN served USING (post_id) WHERE hour >= $start AND hour < $end
GROUP BY post_id ORDER BY signal DESC, post_id LIMIT $limit
"""

COMMENT_THREAD = """
WITH RECURSIVE comments AS (
    SELECT DISTINCT ON (comment_id) d.*, EXISTS (
        FROM fct_engagements u WHERE u.is_undone
            AND (u.viewer_id, u.post_id, u.event_type, u.event_ts)
              = (d.viewer_id, d.post_id, d.event_type, d.event_ts)) AS is_removed
    FROM fct_engagements d
    WHERE event_type = 'comment' AND NOT is_undone AND post_id = $post_id AND comment_id IS NOT NULL
        AND event_hour >= $start AND event_hour < $end
    ORDER BY comment_id, event_ts, engagement_id),
thread AS (
    SELECT 0 AS depth, comment_id, comment_id AS root_comment_id FROM comments
    WHERE parent_comment_id IS NULL OR parent_comment_id NOT IN (SELECT comment_id FROM comments)
    UNION ALL
    SELECT depth + 1, comments.comment_id, root_comment_id
    FROM thread JOIN comments ON parent_comment_id = thread.comment_id)
SELECT depth, comment_id, parent_comment_id, root_comment_id,
    CASE WHEN NOT is_removed THEN viewer_id END AS viewer_id, event_ts, is_removed
FROM thread JOIN comments USING (comment_id) ORDER BY depth, event_ts, comment_id
"""

VIRALITY = """
WITH RECURSIVE tree AS (
    SELECT 1 AS level, shared_post_id, share_hour AS hour FROM fct_shares WHERE original_post_id = $post_id
    UNION ALL
    SELECT level + 1, s.shared_post_id, s.share_hour FROM tree JOIN fct_shares s
        ON s.original_post_id = tree.shared_post_id)
SELECT level, hour, count(*) AS shares, (SELECT count(*) FROM tree) AS total_shares,
    (SELECT max(level) FROM tree) AS depth,
    (SELECT max(n) FROM (SELECT count(*) AS n FROM tree GROUP BY level)) AS breadth,
    round((SELECT count(*) FILTER (level > 1) / count(*) FROM tree), 5) AS reshare_factor
FROM tree GROUP BY level, hour ORDER BY level, hour
"""

RANKER_LIFT = """
WITH models AS (
    SELECT DISTINCT ranker_model_id, model_semver = $treatment AS is_treatment FROM dim_ranker_models
    WHERE model_semver IN ($control, $treatment)),
shown AS (SELECT w.*, is_treatment FROM watched w JOIN models USING (ranker_model_id)),
credit AS (
    SELECT s.viewer_id, r.measure FROM reactions r JOIN shown s USING (impression_id)
    WHERE r.event_ts >= s.impression_ts AND r.event_ts < s.impression_ts + INTERVAL 24 HOUR),
per_viewer AS (
    SELECT viewer_id, arg_min(is_treatment, (impression_ts, is_treatment)) AS is_treatment,
        count(DISTINCT is_treatment) AS arms,
        count(*) AS impressions, coalesce(sum(dwell_ms), 0) AS dwell_ms_sum, count(dwell_ms) AS dwell_count
    FROM shown GROUP BY viewer_id),
acted AS (
    SELECT viewer_id, count(*) FILTER (measure = 'likes') AS likes, count(*) FILTER (measure = 'saves') AS saves,
        count(*) FILTER (measure = 'negatives') AS negatives, count(*) FILTER (measure = 'regrets') AS regrets,
        count(*) FILTER (measure = 'likes_given') AS likes_given
    FROM credit GROUP BY viewer_id)
SELECT viewer_id, CASE WHEN is_treatment THEN 'treatment' ELSE 'control' END AS arm, arms = 2 AS saw_both,
    impressions, coalesce(likes, 0) AS likes, coalesce(saves, 0) AS saves, coalesce(negatives, 0) AS negatives,
    coalesce(regrets, 0) AS regrets, coalesce(likes_given, 0) AS likes_given, dwell_ms_sum, dwell_count
FROM per_viewer LEFT JOIN acted USING (viewer_id)
"""
"""Viewers of two models whose shares are constant on all days."""

_CREDITED = """
credited AS (
    SELECT impression_id, measure, count(*) AS n FROM reactions r JOIN fct_impressions i USING (impression_id)
    WHERE r.event_ts >= i.impression_ts AND r.event_ts < i.impression_ts + INTERVAL 24 HOUR GROUP BY ALL),
shown AS (
    SELECT w.*, coalesce(n.likes, 0) AS likes, coalesce(n.negatives, 0) AS negatives,
        coalesce(n.regrets, 0) AS regrets, coalesce(n.likes_given, 0) AS likes_given,
        coalesce(is_engaged, false) AS is_engaged
    FROM watched w LEFT JOIN (
        SELECT impression_id, sum(n) FILTER (measure = 'likes') AS likes,
            sum(n) FILTER (measure = 'negatives') AS negatives, sum(n) FILTER (measure = 'regrets') AS regrets,
            sum(n) FILTER (measure = 'likes_given') AS likes_given,
            bool_or(measure IN ('likes', 'saves', 'shares', 'comments', 'follows')) AS is_engaged
        FROM credited GROUP BY ALL) n USING (impression_id)
    WHERE impression_hour >= $start::DATE AND impression_hour < $end::DATE)
"""

POSITION_CURVE = f"""
WITH {_CREDITED}
SELECT model_semver, NULL AS ranker_model_id, surface,
    CASE WHEN feed_position > 20 THEN 21 WHEN feed_position > 10 THEN 11 WHEN feed_position > 5 THEN 6
         WHEN feed_position > 2 THEN 3 ELSE feed_position END AS position_bucket,
    count(*) AS impressions, round(sum(likes) / count(*), 5)::DOUBLE AS like_rate,
    round(sum(negatives) / count(*), 5)::DOUBLE AS negative_rate,
    round(coalesce(sum(dwell_ms), 0) / count(*), 1)::DOUBLE AS dwell_per_impression
FROM shown JOIN (SELECT DISTINCT ranker_model_id, model_semver FROM dim_ranker_models) USING (ranker_model_id)
WHERE model_semver = $model_semver GROUP BY ALL ORDER BY model_semver, surface, position_bucket
"""

SCORE_CALIBRATION = f"""
WITH {_CREDITED}
SELECT model_semver, ranker_model_id,
    list_count(list_filter(range(1, 10), lambda c: c <= 10 * predicted_score)) AS tenths,
    count(*) AS impressions,
    ((sum((predicted_score * 1000000)::BIGINT) + 5 * count(*)) // (10 * count(*)) / 100000)::DOUBLE
        AS mean_predicted_score,
    round(count(*) FILTER (is_engaged) / count(*), 5)::DOUBLE AS engaged_share,
    round(sum(regrets) / nullif(sum(likes_given), 0), 5)::DOUBLE AS regret_rate
FROM shown JOIN (SELECT DISTINCT ranker_model_id, model_semver FROM dim_ranker_models) USING (ranker_model_id)
GROUP BY ALL ORDER BY model_semver, ranker_model_id, tenths
"""

ORACLE_QUERIES = {
    "creator_analytics": CREATOR_ANALYTICS,
    "brand_safety_velocity": BRAND_SAFETY_VELOCITY,
    "top_creators": TOP_CREATORS,
    "feed_signals": FEED_SIGNALS,
    "comment_thread": COMMENT_THREAD,
    "virality": VIRALITY,
    "ranker_lift": RANKER_LIFT,
    "position_curve": POSITION_CURVE,
    "score_calibration": SCORE_CALIBRATION,
}


def truth(landing: Path) -> duckdb.DuckDBPyConnection:
    """A database with the facts and dimensions of the simulator's truth."""
    connection = duckdb.connect()
    connection.execute(MACROS)
    for table in TRUTH_TABLES:
        file = landing / "_truth" / f"{table}.jsonl"
        fields: dict[str, None] = {}
        for line in file.read_text().splitlines():
            fields |= dict.fromkeys(json.loads(line))
        typed = ", ".join(f"{name}: '{_type(name)}'" for name in fields)
        connection.execute(f"CREATE TABLE {table} AS FROM read_json('{file}', columns = {{{typed}}})")
    connection.execute(REACTIONS)
    return connection


def _type(name: str) -> str:
    if name.endswith(("_ts", "_hour", "valid_from", "valid_to")):
        return "TIMESTAMPTZ"
    if name.startswith(("is_", "was_")):
        return "BOOLEAN"
    if name in ("predicted_score", "viewport_pct", "deployed_pct"):
        return "DECIMAL(28, 12)"
    return "BIGINT" if name.endswith(("_id", "_position", "_count", "dwell_ms")) else "VARCHAR"


def oracle_rows(connection: duckdb.DuckDBPyConnection, name: str, **params: Any) -> Rows:
    """The rows that the oracle computes for a named query."""
    used = {key: value for key, value in params.items() if f"${key}" in ORACLE_QUERIES[name]}
    found = connection.execute(ORACLE_QUERIES[name], used)
    columns = [column[0] for column in found.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
