"""Writes landing files, `<landing>/<event>/hour=<landed hour>/<file>`, in four formats. Equal rows give equal bytes.

A row is a dict by field name. A field of kind `time` holds microseconds since 1970; JSON has it as ISO 8601 text,
Parquet as a UTC timestamp. A value of any other type is written unchanged, so that a source can also write malformed
records. A row that is a string is written as that line (JSON formats only).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from etl.sources.stamps import hour_text, iso

Row = dict[str, Any]
Line = Row | str

FIELDS: Mapping[str, Mapping[str, str]] = {
    "impressions": {
        "impression_id": "id", "viewer_id": "id", "post_id": "id", "feed_position": "int", "surface": "text",
        "ranker_model_id": "id", "predicted_score": "float", "device_id": "id", "impression_ts": "time",
    },
    "engagements": {
        "engagement_id": "id", "impression_id": "id", "viewer_id": "id", "post_id": "id",
        "event_type": "text", "action": "text", "event_ts": "time", "original_ts": "time",
        "comment_id": "id", "parent_comment_id": "id",
    },
    "heartbeats": {
        "impression_id": "id", "viewer_id": "id", "beat_seq": "int", "beat_ts": "time",
        "viewport_pct": "float",
    },
    "shares": {
        "share_id": "id", "original_post_id": "id", "shared_post_id": "id", "viewer_id": "id",
        "share_ts": "time", "channel": "text",
    },
    "ranker_models": {
        "ranker_model_id": "id", "model_semver": "text", "feature_set": "text", "deployed_pct": "float",
        "model_card_url": "text", "effective_ts": "time", "op": "text",
    },
    "posts": {
        "post_id": "id", "creator_id": "id", "media_type": "text", "audio_id": "id", "caption": "text",
        "effective_ts": "time", "op": "text",
    },
    "creators": {
        "creator_id": "id", "handle": "text", "follower_count": "id", "country": "text",
        "effective_ts": "time", "op": "text",
    },
}  # fmt: skip
"""The fields of every feed event with their kinds: id and int are integers, time is microseconds since 1970 UTC."""

ADS_FIELDS: Mapping[str, Mapping[str, str]] = {
    "ad_impressions": {
        "ad_impression_id": "id", "user_id": "id", "ad_id": "id", "session_id": "id", "surface": "text",
        "clearing_cpm": "float", "spend_micros": "id", "is_valid": "flag", "experiment_ids": "ids",
        "impression_ts": "time",
    },
    "ad_clicks": {"ad_id": "id", "user_id": "id", "session_id": "id", "click_ts": "time", "ad_impression_id": "id"},
    "page_events": {
        "user_id": "id", "session_id": "id", "event_name": "text", "event_ts": "time", "device": "text",
        "region": "text",
    },
    "conversions": {
        "conversion_id": "id", "user_id": "id", "conversion_ts": "time", "value_usd": "float", "received_ts": "time",
    },
    "ads": {"ad_id": "id", "creative_id": "id", "campaign_id": "id", "effective_ts": "time", "op": "text"},
    "campaigns": {
        "campaign_id": "id", "advertiser_id": "id", "objective": "text", "bid_strategy": "text",
        "daily_budget_usd": "float", "effective_ts": "time", "op": "text",
    },
    "advertisers": {
        "advertiser_id": "id", "time_zone": "text", "click_window_days": "int", "view_window_days": "int",
        "effective_ts": "time", "op": "text",
    },
    "spend_ledger": {"campaign_id": "id", "day": "text", "billed_usd": "float", "streaming_usd": "float"},
}  # fmt: skip
"""The fields of every ads event: flag is true or false, ids is a list of integers. A day is text (JSON only)."""

FACT_EVENTS = ("impressions", "engagements", "heartbeats", "shares")
CHANGE_EVENTS = ("ranker_models", "posts", "creators")

_PARQUET_TYPES = {
    "id": pa.int64(), "int": pa.int32(), "float": pa.float64(), "text": pa.string(),
    "time": pa.timestamp("us", tz="UTC"), "flag": pa.bool_(), "ids": pa.list_(pa.int64()),
}  # fmt: skip
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


def fields(event: str) -> Mapping[str, str]:
    """The fields of an event with their kinds, for feed and ads events."""
    return FIELDS[event] if event in FIELDS else ADS_FIELDS[event]


def time_fields(event: str) -> tuple[str, ...]:
    """The fields of an event that hold a time."""
    return tuple(name for name, kind in fields(event).items() if kind == "time")


def required_fields(event: str) -> tuple[str, ...]:
    """The fields of a feed event that must be present and not null."""
    return tuple(name for name in FIELDS[event] if name not in _OPTIONAL[event])


_OPTIONAL: Mapping[str, frozenset[str]] = {
    "impressions": frozenset({"device_id"}),
    "engagements": frozenset({"impression_id", "original_ts", "comment_id", "parent_comment_id"}),
    "heartbeats": frozenset(),
    "shares": frozenset({"channel"}),
    "ranker_models": frozenset({"model_card_url"}),
    "posts": frozenset({"audio_id", "caption"}),
    "creators": frozenset({"country"}),
}


def hour_folder(landing: Path, event: str, landed_us: int) -> Path:
    """The folder for the files of one event that land in one hour."""
    return landing / event / f"hour={hour_text(landed_us)}"


def write_landing_file(path: Path, event: str, lines: Sequence[Line], offset: str = "+00:00") -> None:
    """Write one file. The suffix of `path` selects the format; JSON writes timestamps with the UTC offset `offset`.

    Raises ValueError for a suffix that is not a landing format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_encode_lines(path.name, event, lines, offset))


def _encode_lines(name: str, event: str, lines: Sequence[Line], offset: str) -> bytes:
    if name.endswith(".parquet"):
        return _parquet(event, lines)
    text = _json_lines(event, lines, offset)
    if name.endswith(".jsonl"):
        return text
    if name.endswith(".jsonl.gz"):
        return gzip.compress(text, compresslevel=4, mtime=0)
    if name.endswith(".jsonl.zst"):
        return zstandard.ZstdCompressor(level=3).compress(text)
    raise ValueError(f"{name}: not a landing format (.jsonl, .jsonl.gz, .jsonl.zst, .parquet)")


def _json_lines(event: str, lines: Iterable[Line], offset: str) -> bytes:
    times = time_fields(event)
    return "".join(f"{_json_line(line, times, offset)}\n" for line in lines).encode()


def _json_line(line: Line, times: tuple[str, ...], offset: str) -> str:
    if isinstance(line, str):
        return line
    row = dict(line)
    for field in times:
        if type(row.get(field)) is int:
            row[field] = iso(row[field], offset)
    return _ENCODE(row)


def _parquet(event: str, lines: Sequence[Line]) -> bytes:
    """Parquet bytes. The columns are the fields of the event, all nullable, whichever fields the rows have."""
    rows = [line for line in lines if not isinstance(line, str)]
    columns = {
        name: pa.array([row.get(name) for row in rows], type=_PARQUET_TYPES[kind])
        for name, kind in fields(event).items()
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd", version="2.6", coerce_timestamps="us")
    return bytes(sink.getvalue())
