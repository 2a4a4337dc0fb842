"""Reads the files of a simulated feed back, line by line, with code that is independent of the simulator."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import zstandard

from etl.subjects.feed.simulate import TruthSummary

START = datetime(2026, 6, 1, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
EPOCH = datetime.fromtimestamp(1288834974.657, tz=UTC)
Row = dict[str, Any]

INTS = {
    "impressions": "impression_id viewer_id post_id feed_position ranker_model_id device_id?",
    "engagements": "engagement_id impression_id? viewer_id post_id comment_id? parent_comment_id?",
    "heartbeats": "impression_id viewer_id beat_seq",
    "shares": "share_id original_post_id shared_post_id viewer_id",
    "ranker_models": "ranker_model_id",
    "posts": "post_id creator_id audio_id?",
    "creators": "creator_id follower_count",
}
OTHERS = {
    "impressions": "surface predicted_score impression_ts",
    "engagements": "event_type action event_ts original_ts?",
    "heartbeats": "beat_ts viewport_pct",
    "shares": "share_ts",
    "ranker_models": "model_semver feature_set deployed_pct effective_ts op",
    "posts": "media_type effective_ts op",
    "creators": "handle effective_ts op",
}
SETS: dict[str, set[str]] = {
    "surface": {"feed", "reels", "stories", "explore"},
    "event_type": {"like", "save", "share", "comment", "follow_creator", "hide", "report"},
    "action": {"do", "undo"},
    "op": {"upsert", "delete", "retire"},
}
RANGES: dict[str, tuple[float, float]] = {
    "feed_position": (0, 32767), "predicted_score": (-99.999999, 99.999999), "viewport_pct": (0, 1),
    "beat_seq": (0, 345_599), "deployed_pct": (0, 100), "follower_count": (0, 2**63),
}  # fmt: skip
EVENT_TIME = {
    "impressions": "impression_ts",
    "engagements": "event_ts",
    "heartbeats": "beat_ts",
    "shares": "share_ts",
}


@dataclass
class Landed:
    """One record as a reader finds it, with the reasons to reject it."""

    event: str
    hour: datetime
    file: str
    row: Row | None
    reasons: set[str]


def minted(impression_id: int) -> datetime:
    """The instant encoded in an impression id."""
    return EPOCH + timedelta(milliseconds=impression_id >> 22)


def floor(moment: datetime) -> datetime:
    """The hour of an instant."""
    return moment.replace(minute=0, second=0, microsecond=0)


def read_records(path: Path) -> Iterator[Any]:
    """The records of one landing file; None for a line that is not a JSON object."""
    if path.suffix == ".parquet":
        yield from pq.read_table(path).to_pylist()
        return
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    for line in data.decode().splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = None
        yield row if isinstance(row, dict) else None


def moment(value: Any) -> datetime | None:
    """A timestamp with an offset, or None when the value is not one."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    try:
        parsed = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else None


def read_field(row: Row, name: str, is_int: bool) -> tuple[Any, str | None]:
    """The typed value of a field, and the reason to reject it, or None."""
    field, value = name.rstrip("?"), row.get(name.rstrip("?"))
    if value is None:
        return None, None if name.endswith("?") else f"missing:{field}"
    typed = moment(value) if field.endswith("_ts") else value
    is_right = isinstance(value, int) if is_int else typed is not None
    if field in ("predicted_score", "viewport_pct", "deployed_pct"):
        is_right = isinstance(value, int | float)
    return (typed, None) if is_right else (None, f"wrong_type:{field}")


def check(event: str, row: Row, hour: datetime) -> tuple[Row, set[str]]:
    """A record with typed values, and every reason to reject it."""
    names = [(name, True) for name in INTS[event].split()] + [(name, False) for name in OTHERS[event].split()]
    typed, reasons = dict(row), set()
    for name, is_int in names:
        typed[name.rstrip("?")], wrong = read_field(row, name, is_int)
        reasons |= {wrong} if wrong else set()
    present = {name: value for name, value in typed.items() if value is not None}
    reasons |= {f"out_of_set:{f}" for f, of in SETS.items() if f in present and present[f] not in of}
    reasons |= {f"out_of_range:{f}" for f, (a, b) in RANGES.items() if f in present and not a <= present[f] <= b}
    return typed, reasons | check_undo(present) | check_times(event, present, hour)


def check_undo(row: Row) -> set[str]:
    """An undo must name the action it undoes, which cannot be later."""
    if row.get("action") != "undo":
        return set()
    if "original_ts" not in row:
        return {"undo_without_original_ts"}
    return {"out_of_range:original_ts"} if row["original_ts"] > row.get("event_ts", row["original_ts"]) else set()


def check_times(event: str, row: Row, hour: datetime) -> set[str]:
    """Facts must not be in the future of their landed hour, nor older than the lateness limit."""
    if event not in EVENT_TIME:
        return set()
    times = [row[EVENT_TIME[event]]] if EVENT_TIME[event] in row else []
    if event == "heartbeats" and "impression_id" in row:
        times.append(minted(row["impression_id"]))
    reasons = {"in_future" for time in times if time > hour + HOUR + timedelta(minutes=5)}
    reasons |= {"too_late" for time in times if time < hour - timedelta(days=7)}
    if row.get("action") == "undo" and row.get("original_ts", hour) < hour - timedelta(days=30):
        reasons.add("too_late")
    if event == "impressions" and times and "impression_id" in row:
        difference = abs(minted(row["impression_id"]) - times[0])
        reasons |= {"id_time_mismatch"} if difference > timedelta(seconds=5) else set()
    return reasons


def read_landing(out: Path) -> list[Landed]:
    """Every record of a landing zone, checked."""
    records = []
    for path in sorted(out.glob("*/hour=*/*")):
        event, hour = path.parts[-3], datetime.fromisoformat(path.parts[-2][5:] + ":00+00:00")
        for row in read_records(path):
            typed, reasons = check(event, row, hour) if row is not None else ({}, {"unparseable"})
            records.append(Landed(event, hour, path.name, typed, reasons))
    return records


@dataclass
class Feed:
    """A simulated feed with its files read back."""

    out: Path
    summary: TruthSummary
    records: list[Landed]

    def truth(self, table: str) -> list[Row]:
        """The rows of one table of the truth."""
        return [json.loads(line) for line in (self.out / "_truth" / f"{table}.jsonl").read_text().splitlines()]

    def landed(self, event: str) -> list[Landed]:
        """The valid records of an event, duplicates included."""
        return [record for record in self.records if record.event == event and not record.reasons]

    def rows(self, event: str) -> list[Row]:
        """The rows of `landed`."""
        return [record.row for record in self.landed(event) if record.row is not None]

    def distinct(self, event: str, key: str) -> dict[int, Row]:
        """The valid rows of an event by id."""
        return {row[key]: row for row in self.rows(event)}


def did(row: Row) -> tuple[Any, ...]:
    """The values that an action and its undo share."""
    time = row["original_ts"] if row["action"] == "undo" else row["event_ts"]
    return row["viewer_id"], row["post_id"], row["event_type"], time
