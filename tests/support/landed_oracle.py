"""DuckDB reads and validates landed records of the feed (feed specification, sections 1 and 2)."""

from __future__ import annotations

from pathlib import Path

EPOCH_MS = 1288834974657

# Field -> kind. `?` may be absent; `~` may be absent in a record that closes a version (delete, retire).
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

# Further conditions on a typed record. NULL is not false: an absent optional field does not violate a condition.
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

# Kind -> the allowed JSON types, and the expression of the typed value.
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
    """A SELECT of (doc, landed_hour) for each existing kind of file; Parquet rows are converted to JSON."""
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


def accept(event: str, landing: Path) -> str:
    """The statement that creates table `event`: its typed and accepted records, duplicates included."""
    typed, conditions = ["landed_hour"], []
    for name, kind, mark in _fields(event):
        types, value = KINDS[kind]
        type_ = f"json_type(doc, '$.{name}')"
        typed.append(f"CASE WHEN {type_} IN ({types}) THEN {value.format(name)} END AS {name}")
        typed.append(f"coalesce({type_}, 'NULL') = 'NULL' AS no_{name}")
        may_lack = {"": "false", "?": f"no_{name}", "~": f"no_{name} AND op <> 'upsert'"}[mark]
        conditions.append(f"({name} IS NOT NULL OR ({may_lack}))")
    names = ", ".join(name for name, _, _ in _fields(event))
    return f"""
        CREATE TABLE {event} AS
        WITH documents AS ({" UNION ALL ".join(_documents(event, landing))}),
        objects AS (SELECT * FROM documents WHERE json_type(doc) = 'OBJECT'),
        typed AS (SELECT {", ".join(typed)} FROM objects)
        SELECT {names}, landed_hour FROM typed
        WHERE {" AND ".join(conditions)} AND ({ACCEPTED[event]}) IS NOT FALSE"""


def canonical(fields: dict[str, str]) -> str:
    """The canonical text of a typed record, as SQL: JSON, keys sorted, no trailing zeros, times in UTC.

    `fields` maps names to DuckDB types. Of records with one id, the smallest (landed hour, canonical text) is kept.
    """
    members = (f"'\"{name}\":' || coalesce({_text(name, fields[name])}, 'null')" for name in sorted(fields))
    return "'{' || " + " || ',' || ".join(members) + " || '}'"


def _text(name: str, type_: str) -> str:
    if type_ == "TIMESTAMPTZ":
        return f"""strftime({name} AT TIME ZONE 'UTC', '"%Y-%m-%dT%H:%M:%S.%fZ"')"""
    if type_.startswith("DECIMAL"):
        return f"rtrim(rtrim({name}::{type_}::VARCHAR, '0'), '.')"
    return f"{name}::VARCHAR" if type_ in ("BIGINT", "INTEGER", "BOOLEAN") else f"to_json({name})::VARCHAR"


TYPES = {"id": "BIGINT", "number": "DECIMAL(8, 6)", "text": "VARCHAR", "time": "TIMESTAMPTZ"}


def first_record(event: str, key: str) -> str:
    """A subquery with one record per key: the one with the smallest (landed hour, canonical text)."""
    text = canonical({name: TYPES[kind] for name, kind, _ in _fields(event)})
    return f"(SELECT DISTINCT ON ({key}) * FROM {event} ORDER BY {key}, landed_hour, {text})"
