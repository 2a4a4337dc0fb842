"""DuckDB statements for settled, given and regretted actions (feed specification 4), and rollups and marts (5)."""

from __future__ import annotations

REACTIONS = """
CREATE TABLE settled AS
SELECT * FROM fct_engagements d
WHERE NOT is_undone AND NOT EXISTS (
    FROM fct_engagements u
    WHERE u.is_undone AND (u.viewer_id, u.post_id, u.event_type, u.event_ts)
                        = (d.viewer_id, d.post_id, d.event_type, d.event_ts))
QUALIFY event_type NOT IN ('like', 'save', 'follow_creator', 'hide')
    OR row_number() OVER (PARTITION BY viewer_id, post_id, event_type, event_hour
                          ORDER BY event_ts, engagement_id) = 1;

CREATE TABLE given AS
SELECT DISTINCT ON (viewer_id, post_id, event_ts) * FROM fct_engagements WHERE event_type = 'like'
ORDER BY viewer_id, post_id, event_ts, is_undone, undone_ts, engagement_id;

CREATE TABLE regretted AS
SELECT * FROM given d
WHERE EXISTS (
    FROM fct_engagements u
    WHERE u.is_undone AND u.event_type = 'like' AND u.undone_ts - u.event_ts < INTERVAL 5 MINUTE
        AND (u.viewer_id, u.post_id, u.event_ts) = (d.viewer_id, d.post_id, d.event_ts));

CREATE TABLE reactions AS
SELECT * EXCLUDE (measure), measure[event_type] AS measure FROM settled, (SELECT MAP {
    'like': 'likes', 'save': 'saves', 'share': 'shares', 'comment': 'comments', 'follow_creator': 'follows',
    'hide': 'hides', 'report': 'reports'} AS measure)
UNION ALL SELECT *, 'negatives' FROM settled WHERE event_type IN ('hide', 'report')
UNION ALL SELECT *, 'likes_given' FROM given
UNION ALL SELECT *, 'regrets' FROM regretted;

CREATE TABLE watched AS
SELECT i.*, d.dwell_ms, d.was_full_view
FROM fct_impressions i LEFT JOIN fct_dwell_per_impression d USING (impression_id);
"""

SERVED = ("impressions", "reach", "full_views", "dwell_ms_sum", "dwell_count")
REACTED = (
    "likes", "saves", "shares", "comments", "follows", "hides", "reports", "negatives", "likes_given", "regrets",
)  # fmt: skip

SERVED_SQL = """count(*) AS impressions, count(DISTINCT viewer_id) AS reach,
    count(*) FILTER (was_full_view) AS full_views, coalesce(sum(dwell_ms), 0)::BIGINT AS dwell_ms_sum,
    count(dwell_ms) AS dwell_count"""
REACTED_SQL = ", ".join(f"count(*) FILTER (measure = '{name}') AS {name}" for name in REACTED)
MEASURES_SQL = ", ".join(f"coalesce({name}, 0) AS {name}" for name in SERVED + REACTED)

LANDED_FACTS = {  # event -> event time, and the hour it belongs to
    "impressions": ("impression_ts", "id_hour(impression_id)"),
    "engagements": ("event_ts", "date_trunc('hour', event_ts)"),
    "shares": ("share_ts", "date_trunc('hour', share_ts)"),
}
_ARRIVED = " UNION ALL ".join(
    f"SELECT '{event}' AS event, landed_hour, {own} < landed_hour AS is_late, "
    f"epoch(landed_hour + INTERVAL 1 HOUR)::BIGINT - floor(epoch({happened}))::BIGINT AS lag_seconds FROM {event}"
    for event, (happened, own) in LANDED_FACTS.items()
)
_LOGGED = " UNION ALL ".join(
    f"SELECT '{event}' AS event, landed_hour, false, NULL FROM {event}"
    for event in ("ranker_models", "posts", "creators")
)
INGEST = f"""
CREATE TABLE arrivals AS {_ARRIVED} UNION ALL {_LOGGED};

CREATE TABLE agg_ingest_hourly AS
SELECT event, landed_hour, count(*) AS records_accepted, count(*) FILTER (is_late) AS records_late
FROM arrivals GROUP BY ALL;
"""

# --- rollups and marts (spec 5) -------------------------------------------------------------------

ROLLUPS = f"""
CREATE TABLE agg_post_engagement_hourly AS
WITH served AS (SELECT post_id, impression_hour AS hour, {SERVED_SQL} FROM watched GROUP BY ALL),
reacted AS (SELECT post_id, event_hour AS hour, {REACTED_SQL} FROM reactions GROUP BY ALL)
SELECT post_id, hour, {MEASURES_SQL} FROM served FULL JOIN reacted USING (post_id, hour);

CREATE TABLE agg_ranker_hourly AS
WITH served AS (
    SELECT ranker_model_id, surface, impression_hour AS hour, {SERVED_SQL} FROM watched GROUP BY ALL),
attributed AS (
    SELECT i.ranker_model_id, i.surface, i.impression_hour AS hour, r.measure
    FROM reactions r JOIN fct_impressions i USING (impression_id)
    WHERE r.event_ts >= i.impression_ts AND r.event_ts < i.impression_ts + INTERVAL 24 HOUR),
reacted AS (SELECT ranker_model_id, surface, hour, {REACTED_SQL} FROM attributed GROUP BY ALL)
SELECT ranker_model_id, surface, hour, {MEASURES_SQL}
FROM served LEFT JOIN reacted USING (ranker_model_id, surface, hour);
"""

_KINDS = ("likes", "saves", "likes_given", "regrets", "negatives")


def positions(name: str, at: str) -> str:
    """The table of position and score buckets per hour or day; `at` is the column and its value for an impression."""
    sums = ", ".join(f"coalesce(sum(r.{kind}), 0)::BIGINT AS {kind}" for kind in _KINDS)
    return f"""
CREATE TABLE {name} AS
WITH reacted AS (
    SELECT impression_id, bool_or(measure IN ('likes', 'saves', 'shares', 'comments', 'follows')) AS is_engaged,
        {", ".join(f"count(*) FILTER (measure = '{kind}') AS {kind}" for kind in _KINDS)}
    FROM reactions r JOIN fct_impressions i USING (impression_id)
    WHERE r.event_ts >= i.impression_ts AND r.event_ts < i.impression_ts + INTERVAL 24 HOUR GROUP BY ALL)
SELECT ranker_model_id, surface, {at},
    (SELECT max(first) FROM unnest([0, 1, 2, 3, 6, 11, 21]) b(first) WHERE first <= feed_position)::SMALLINT
        AS position_bucket,
    (SELECT coalesce(max(cut), 0) FROM range(1, 10) c(tenth), LATERAL (SELECT (tenth / 10)::DECIMAL(2, 1) AS cut)
     WHERE cut <= predicted_score)::DECIMAL(2, 1) AS score_bucket,
    count(*) AS impressions, count(*) FILTER (is_engaged) AS engaged_impressions, {sums},
    coalesce(sum(dwell_ms), 0)::BIGINT AS dwell_ms_sum, count(dwell_ms) AS dwell_count,
    sum(predicted_score)::DECIMAL(18, 6) AS predicted_score_sum
FROM watched LEFT JOIN reacted r USING (impression_id) GROUP BY ALL;
"""


POSITIONS = positions("agg_ranker_position_hourly", "impression_hour AS hour") + positions(
    "agg_ranker_position_daily", "impression_hour::DATE AS day"
)

MARTS = f"""
CREATE TABLE mart_post_engagement_daily AS
WITH served AS (SELECT post_id, impression_hour::DATE AS day, {SERVED_SQL} FROM watched GROUP BY ALL),
reacted AS (SELECT post_id, event_hour::DATE AS day, {REACTED_SQL} FROM reactions GROUP BY ALL),
measured AS (SELECT post_id, day, {MEASURES_SQL} FROM served LEFT JOIN reacted USING (post_id, day))
SELECT * EXCLUDE (full_views), average(dwell_ms_sum, dwell_count) AS avg_dwell_ms,
    rate(likes, impressions) AS like_rate, rate(saves, impressions) AS save_rate,
    rate(shares, impressions) AS share_rate, rate(negatives, impressions) AS negative_rate
FROM measured;

CREATE TABLE mart_user_affinity_daily AS
WITH served AS (
    SELECT viewer_id, impression_hour::DATE AS day, count(*) AS impressions
    FROM fct_impressions GROUP BY ALL),
reacted AS (
    SELECT viewer_id, event_hour::DATE AS day, count(*) AS engagements FROM settled GROUP BY ALL),
dwelt AS (
    SELECT viewer_id, impression_hour::DATE AS day,
        sum(dwell_ms)::BIGINT AS dwell_ms_sum, count(*) AS dwell_count
    FROM fct_dwell_per_impression GROUP BY ALL),
heard AS (
    SELECT d.viewer_id, d.impression_hour::DATE AS day, p.audio_id, sum(d.dwell_ms) AS dwell_ms
    FROM fct_dwell_per_impression d JOIN fct_impressions i USING (impression_id)
    JOIN dim_posts p ON p.post_id = i.post_id AND i.impression_ts >= p.valid_from
        AND (p.valid_to IS NULL OR i.impression_ts < p.valid_to)
    WHERE p.audio_id IS NOT NULL GROUP BY ALL),
top AS (
    SELECT DISTINCT ON (viewer_id, day) viewer_id, day, audio_id AS top_audio_id
    FROM heard ORDER BY viewer_id, day, dwell_ms DESC, audio_id)
SELECT viewer_id, day, coalesce(impressions, 0) AS impressions, coalesce(engagements, 0) AS engagements,
    coalesce(dwell_ms_sum, 0) AS dwell_ms_sum, coalesce(dwell_count, 0) AS dwell_count,
    average(coalesce(dwell_ms_sum, 0), coalesce(dwell_count, 0)) AS avg_dwell_ms, top_audio_id
FROM served FULL JOIN reacted USING (viewer_id, day) FULL JOIN dwelt USING (viewer_id, day)
    LEFT JOIN top USING (viewer_id, day);

CREATE TABLE mart_ranker_viewer_daily AS
WITH served AS (
    SELECT viewer_id, ranker_model_id, impression_hour::DATE AS day, min(impression_ts) AS first_impression_ts,
        {SERVED_SQL}
    FROM watched GROUP BY ALL),
attributed AS (
    SELECT i.viewer_id, i.ranker_model_id, i.impression_hour::DATE AS day, r.measure
    FROM reactions r JOIN fct_impressions i USING (impression_id)
    WHERE r.event_ts >= i.impression_ts AND r.event_ts < i.impression_ts + INTERVAL 24 HOUR),
reacted AS (SELECT viewer_id, ranker_model_id, day, {REACTED_SQL} FROM attributed GROUP BY ALL)
SELECT viewer_id, ranker_model_id, day, impressions, coalesce(likes, 0) AS likes, coalesce(saves, 0) AS saves,
    coalesce(negatives, 0) AS negatives, coalesce(likes_given, 0) AS likes_given, coalesce(regrets, 0) AS regrets,
    dwell_ms_sum, dwell_count, first_impression_ts
FROM served LEFT JOIN reacted USING (viewer_id, ranker_model_id, day);
"""
