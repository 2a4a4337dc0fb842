"""Every fact, dimension, rollup and mart computed a second time, by DuckDB, straight from the landing files.

Nothing here comes from the pipeline's own transforms: the statements follow the feed specification alone, so
that a mistake would have to be made twice, in two languages, to go unseen.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

EPOCH_MS = 1288834974657

# --- landed records that can be accepted (spec 1 and 2) -------------------------------------------

# Field -> kind. `?` may be absent, `~` may be absent in a record that closes a version (delete, retire).
EVENTS = {
    "impressions": "impression_id:id viewer_id:id post_id:id feed_position:id surface:text ranker_model_id:id"
    " predicted_score:number device_id:id? impression_ts:time",
    "engagements": "engagement_id:id impression_id:id? viewer_id:id post_id:id event_type:text action:text"
    " event_ts:time original_ts:time? comment_id:id? parent_comment_id:id?",
    "heartbeats": "impression_id:id viewer_id:id beat_seq:id beat_ts:time viewport_pct:number",
    "shares": "share_id:id original_post_id:id shared_post_id:id viewer_id:id share_ts:time channel:text?",
    "ranker_models": "ranker_model_id:id~ model_semver:text feature_set:text~ deployed_pct:number~"
    " model_card_url:text? effective_ts:time op:text",
    "posts": "post_id:id creator_id:id~ media_type:text~ audio_id:id? caption:text? effective_ts:time op:text",
    "creators": "creator_id:id handle:text~ follower_count:id~ country:text? effective_ts:time op:text",
}

# What a typed record must also be. NULL is not false: a field that may be absent is not judged when it is.
ACCEPTED = {
    "impressions": """feed_position BETWEEN 0 AND 32767 AND abs(predicted_score) <= 99.999999
        AND impression_id >= 0 AND surface IN ('feed', 'reels', 'stories', 'explore')
        AND abs(epoch_us(impression_ts) - 1000 * id_ms(impression_id)) <= 5000000
        AND in_time(impression_ts, landed_hour, 7)""",
    "engagements": """action IN ('do', 'undo') AND impression_id >= 0
        AND event_type IN ('like', 'save', 'share', 'comment', 'follow_creator', 'hide', 'report')
        AND in_time(event_ts, landed_hour, 7)
        AND (action = 'do' OR (original_ts IS NOT NULL AND original_ts <= event_ts
                               AND in_time(original_ts, landed_hour, 30)))""",
    "heartbeats": """viewport_pct BETWEEN 0 AND 1 AND beat_seq BETWEEN 0 AND 345599 AND impression_id >= 0
        AND in_time(beat_ts, landed_hour, 7) AND in_time(id_time(impression_id), landed_hour, 7)""",
    "shares": "in_time(share_ts, landed_hour, 7)",
    "ranker_models": "op IN ('upsert', 'retire') AND deployed_pct BETWEEN 0 AND 100",
    "posts": "op IN ('upsert', 'delete')",
    "creators": "op IN ('upsert', 'delete') AND follower_count >= 0",
}

# Kind -> the JSON types it may be written in, and the typed value.
KINDS = {
    "id": ("'UBIGINT', 'BIGINT'", "TRY_CAST(doc ->> '$.{0}' AS BIGINT)"),
    "number": ("'UBIGINT', 'BIGINT', 'DOUBLE'", "TRY_CAST(doc ->> '$.{0}' AS DECIMAL(28, 12))"),
    "text": ("'VARCHAR'", "doc ->> '$.{0}'"),
    "time": ("'VARCHAR'", "instant(doc ->> '$.{0}')"),
}

ISO_8601 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)"  # with an offset

MACROS = f"""
SET TimeZone = 'UTC';
CREATE MACRO id_ms(id) AS (id >> 22) + {EPOCH_MS};
CREATE MACRO id_time(id) AS make_timestamptz(1000 * id_ms(id));
CREATE MACRO id_hour(id) AS date_trunc('hour', id_time(id));
CREATE MACRO instant(text) AS
    CASE WHEN regexp_full_match(text, '{ISO_8601}') THEN TRY_CAST(text AS TIMESTAMPTZ) END;
CREATE MACRO in_time(ts, landed, days) AS
    ts <= landed + INTERVAL 65 MINUTE AND ts >= landed - to_days(days);
CREATE MACRO rate(part, whole) AS
    (least((200000 * part + whole) // (2 * whole), 9999999) * 0.00001::DECIMAL(6, 5))::DECIMAL(7, 5);
CREATE MACRO average(total, n) AS CASE WHEN n = 0 THEN 0 ELSE (2 * total + n) // (2 * n) END::INTEGER;
"""

LANDED_HOUR = r"(regexp_extract(filename, 'hour=([-0-9]+T\d\d)', 1) || ':00:00Z')::TIMESTAMPTZ AS landed_hour"


def _fields(event: str) -> list[tuple[str, str, str]]:
    """(name, kind, mark) of each field."""
    pairs = (field.split(":") for field in EVENTS[event].split())
    return [(name, kind.rstrip("?~"), kind[len(kind.rstrip("?~")) :]) for name, kind in pairs]


def _documents(event: str, landing: Path) -> list[str]:
    """A SELECT of (doc, landed_hour) for each kind of file there is; Parquet is made to look like JSON."""
    files = [str(path) for path in sorted(landing.glob(f"{event}/hour=*/*"))]
    json_lines = [name for name in files if ".jsonl" in name]
    parquet = [name for name in files if name.endswith(".parquet")]
    options = "filename = true, hive_partitioning = false"
    selects = ["SELECT NULL::JSON AS doc, NULL::TIMESTAMPTZ AS landed_hour WHERE false"]
    if json_lines:
        lenient = "format = 'newline_delimited', ignore_errors = true"
        selects.append(f"SELECT json, {LANDED_HOUR} FROM read_json_objects({json_lines}, {lenient}, {options})")
    if parquet:
        source = f"read_parquet({parquet}, union_by_name = true, {options})"
        times = [name for name, kind, _ in _fields(event) if kind == "time"]
        texts = ", ".join(f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%fZ') AS {name}" for name in times)
        selects.append(f"SELECT to_json(r), {LANDED_HOUR} FROM (SELECT * REPLACE ({texts}) FROM {source}) r")
    return selects


def _accept(event: str, landing: Path) -> str:
    """The statement that makes table `event`: its typed, accepted records, repeats included."""
    typed, lawful = ["landed_hour"], []
    for name, kind, mark in _fields(event):
        types, value = KINDS[kind]
        type_ = f"json_type(doc, '$.{name}')"
        typed.append(f"CASE WHEN {type_} IN ({types}) THEN {value.format(name)} END AS {name}")
        typed.append(f"coalesce({type_}, 'NULL') = 'NULL' AS no_{name}")
        may_lack = {"": "false", "?": f"no_{name}", "~": f"no_{name} AND op <> 'upsert'"}[mark]
        lawful.append(f"({name} IS NOT NULL OR ({may_lack}))")
    names = ", ".join(name for name, _, _ in _fields(event))
    return f"""
        CREATE TABLE {event} AS
        WITH documents AS ({" UNION ALL ".join(_documents(event, landing))}),
        objects AS (SELECT * FROM documents WHERE json_type(doc) = 'OBJECT'),
        typed AS (SELECT {", ".join(typed)} FROM objects)
        SELECT {names}, landed_hour FROM typed
        WHERE {" AND ".join(lawful)} AND ({ACCEPTED[event]}) IS NOT FALSE"""


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
    """Versions of a key: its states in order, equal neighbours collapsed, each open until the next begins.

    A closed key has the state NULL. Which of two states of one instant wins is not in the specification:
    an open one here, the smaller of two open ones.
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

FACTS = """
CREATE TABLE fct_impressions AS
SELECT DISTINCT ON (impression_id)
    * EXCLUDE (landed_hour) REPLACE (predicted_score::DECIMAL(8, 6) AS predicted_score),
    id_hour(impression_id) AS impression_hour
FROM impressions;

CREATE TABLE fct_engagements AS
SELECT DISTINCT ON (engagement_id) engagement_id, impression_id, viewer_id, post_id, event_type,
    CASE action WHEN 'undo' THEN original_ts ELSE event_ts END AS event_ts,
    action = 'undo' AS is_undone,
    CASE action WHEN 'undo' THEN event_ts END AS undone_ts,
    comment_id, parent_comment_id, id_hour(impression_id) AS impression_hour,
    date_trunc('hour', CASE action WHEN 'undo' THEN original_ts ELSE event_ts END) AS event_hour
FROM engagements;

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
SELECT DISTINCT ON (share_id) * EXCLUDE (landed_hour), date_trunc('hour', share_ts) AS share_hour FROM shares;
"""

# --- what counts (spec 4: settled, regret) and what it is counted by ------------------------------

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

CREATE TABLE regretted AS
SELECT DISTINCT ON (viewer_id, post_id, event_ts) * FROM fct_engagements d
WHERE event_type = 'like' AND NOT is_undone AND EXISTS (
    FROM fct_engagements u
    WHERE u.is_undone AND u.event_type = 'like' AND u.undone_ts - u.event_ts < INTERVAL 5 MINUTE
        AND (u.viewer_id, u.post_id, u.event_ts) = (d.viewer_id, d.post_id, d.event_ts))
ORDER BY viewer_id, post_id, event_ts, engagement_id;

CREATE TABLE reactions AS
SELECT * EXCLUDE (measure), measure[event_type] AS measure FROM settled, (SELECT MAP {
    'like': 'likes', 'save': 'saves', 'share': 'shares', 'comment': 'comments', 'follow_creator': 'follows',
    'hide': 'negatives', 'report': 'negatives'} AS measure)
UNION ALL SELECT *, 'regrets' FROM regretted;

CREATE TABLE watched AS
SELECT i.*, d.dwell_ms, d.was_full_view
FROM fct_impressions i LEFT JOIN fct_dwell_per_impression d USING (impression_id);
"""

SERVED = ("impressions", "reach", "full_views", "dwell_ms_sum", "dwell_count")
REACTED = ("likes", "saves", "shares", "comments", "follows", "negatives", "regrets")

SERVED_SQL = """count(*) AS impressions, count(DISTINCT viewer_id) AS reach,
    count(*) FILTER (was_full_view) AS full_views, coalesce(sum(dwell_ms), 0)::BIGINT AS dwell_ms_sum,
    count(dwell_ms) AS dwell_count"""
REACTED_SQL = ", ".join(f"count(*) FILTER (measure = '{name}') AS {name}" for name in REACTED)
MEASURES_SQL = ", ".join(f"coalesce({name}, 0) AS {name}" for name in SERVED + REACTED)

LANDED_FACTS = {  # event -> when it happened and the hour that is its own
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
    SELECT viewer_id, ranker_model_id, impression_hour::DATE AS day, {SERVED_SQL} FROM watched GROUP BY ALL),
attributed AS (
    SELECT i.viewer_id, i.ranker_model_id, i.impression_hour::DATE AS day, r.measure
    FROM reactions r JOIN fct_impressions i USING (impression_id)
    WHERE r.event_ts >= i.impression_ts AND r.event_ts < i.impression_ts + INTERVAL 24 HOUR),
reacted AS (SELECT viewer_id, ranker_model_id, day, {REACTED_SQL} FROM attributed GROUP BY ALL)
SELECT viewer_id, ranker_model_id, day, impressions, coalesce(likes, 0) AS likes, coalesce(saves, 0) AS saves,
    coalesce(negatives, 0) AS negatives, coalesce(regrets, 0) AS regrets, dwell_ms_sum, dwell_count
FROM served LEFT JOIN reacted USING (viewer_id, ranker_model_id, day);
"""


def twin(landing: Path) -> duckdb.DuckDBPyConnection:
    """A database with every table of the lake above bronze, made from the landing files."""
    connection = duckdb.connect()
    connection.execute(MACROS)
    for event in EVENTS:
        connection.execute(_accept(event, landing))
    for name, log in DIMENSIONS.items():
        connection.execute(dimension(name, *log))
    for statements in (INGEST, FACTS, REACTIONS, ROLLUPS, MARTS):
        connection.execute(statements)
    return connection
