"""Generates one landed hour of a feed as a Kafka sink writes it: Parquet, in order of arrival, with duplicates.

The rates follow the benchmark's definition: about 4.5 heartbeats per impression, engagements for 8 % of impressions,
one viewer and one post with a large share of all impressions, 1 % duplicates, and 2 % records of the hour before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from etl.transforms.snowflake import EPOCH_MS

HOUR = datetime(2026, 6, 1, 10, tzinfo=UTC)
START_MS = int(HOUR.timestamp() * 1000)
HOUR_MS = 3_600_000
ROWS_PER_FILE = 2_000_000
HOT = 1  # the id of the hot viewer and of the hot post
MODELS = 50
TYPES = ("like", "save", "share", "comment", "follow_creator", "hide", "report")
TYPE_WEIGHTS = (0.62, 0.1, 0.08, 0.1, 0.06, 0.03, 0.01)
SURFACES = ("feed", "reels", "stories", "explore")


@dataclass(frozen=True)
class Shape:
    """Size of the hour, and the shares of the hot viewer and the hot post."""

    impressions: int
    hot_viewer: float = 0.10
    hot_post: float = 0.05
    seed: int = 11
    late: float = 0.02
    repeated: float = 0.01

    @property
    def posts(self) -> int:
        return max(self.impressions // 100, 10)

    @property
    def viewers(self) -> int:
        return max(self.impressions // 20, 10)

    @property
    def name(self) -> str:
        return f"{self.impressions}-{self.hot_viewer:g}-{self.hot_post:g}"


def generate(landing: Path, shape: Shape) -> None:
    """Write the hour below `landing`, unless it exists."""
    done = landing / "_done"
    if done.exists():
        return
    rng = np.random.default_rng(shape.seed)
    _dimensions(landing, shape, rng)
    seen = _impressions(shape, rng)
    write(landing, "impressions", _with_repeats(seen, shape, rng), "impression_ts")
    write(landing, "engagements", _with_repeats(_engagements(seen, shape, rng), shape, rng), "event_ts")
    write(landing, "shares", _with_repeats(_shares(seen, shape, rng), shape, rng), "share_ts")
    write(landing, "heartbeats", _with_repeats(_heartbeats(seen, rng), shape, rng), "beat_ts")
    done.touch()


def _ids(many: int, hot: float, rng: np.random.Generator, count: int) -> np.ndarray:
    """`count` ids below `many`: a share of them is the hot id, the rest has a long tail."""
    tail = 2 + (rng.random(count) ** 2 * (many - 2)).astype(np.int64)
    return np.where(rng.random(count) < hot, HOT, tail)


def _impressions(shape: Shape, rng: np.random.Generator) -> dict[str, np.ndarray]:
    n = shape.impressions
    round_, sequence = np.divmod(np.arange(n), 1 << 22)  # after an overflow, the sequence uses other milliseconds
    rounds = round_[-1] + 1
    offset = rng.integers(0, HOUR_MS // rounds, n) * rounds + round_
    minted = START_MS + offset - np.where(rng.random(n) < shape.late, HOUR_MS, 0)
    return {
        "impression_id": ((minted - EPOCH_MS) << 22) | sequence,
        "viewer_id": _ids(shape.viewers, shape.hot_viewer, rng, n),
        "post_id": _ids(shape.posts, shape.hot_post, rng, n),
        "feed_position": rng.integers(0, 100, n).astype(np.int32),
        "surface": rng.integers(0, len(SURFACES), n),
        "ranker_model_id": rng.integers(1, MODELS + 1, n),
        "predicted_score": np.round(rng.random(n), 6),
        "device_id": rng.integers(1, 1 << 40, n),
        "impression_ts": minted * 1000 + rng.integers(0, 1000, n),
    }


def _engagements(seen: dict[str, np.ndarray], shape: Shape, rng: np.random.Generator) -> dict[str, np.ndarray]:
    n = int(shape.impressions * 0.08)
    of = rng.choice(shape.impressions, n, replace=False)
    undone = rng.random(n) < 0.03
    done = seen["impression_ts"][of] + rng.integers(500_000, 20_000_000, n)
    kind = rng.choice(len(TYPES), n, p=TYPE_WEIGHTS)
    do = {
        "engagement_id": np.arange(n) + 1,
        "impression_id": seen["impression_id"][of],
        "viewer_id": seen["viewer_id"][of],
        "post_id": seen["post_id"][of],
        "event_type": kind,
        "action": np.zeros(n, np.int64),
        "event_ts": done,
        "original_ts": np.full(n, -1),
    }
    undo = {name: values[undone] for name, values in do.items()}
    undo |= {"engagement_id": undo["engagement_id"] + n, "action": np.ones(len(undo["action"]), np.int64)}
    undo |= {"original_ts": undo["event_ts"], "event_ts": undo["event_ts"] + rng.integers(1, 600, undone.sum()) * 10**6}
    in_hour = undo["event_ts"] < (START_MS + HOUR_MS) * 1000
    return {name: np.concatenate([do[name], undo[name][in_hour]]) for name in do}


def _shares(seen: dict[str, np.ndarray], shape: Shape, rng: np.random.Generator) -> dict[str, np.ndarray]:
    n = shape.impressions // 200
    of = rng.choice(shape.impressions, n, replace=False)
    return {
        "share_id": np.arange(n) + 1,
        "original_post_id": seen["post_id"][of],
        "shared_post_id": rng.integers(1, shape.posts, n),
        "viewer_id": seen["viewer_id"][of],
        "share_ts": seen["impression_ts"][of] + 1_000_000,
    }


def _heartbeats(seen: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    n = len(seen["impression_id"])
    beats = np.where(rng.random(n) < 0.1, 0, rng.geometric(0.2, n))
    of = np.repeat(np.arange(n), beats)
    seq = np.arange(len(of)) - np.repeat(np.cumsum(beats) - beats, beats)
    return {
        "impression_id": seen["impression_id"][of],
        "viewer_id": seen["viewer_id"][of],
        "beat_seq": seq.astype(np.int32),
        "beat_ts": seen["impression_ts"][of] + seq * 250_000,
        "viewport_pct": np.round(np.minimum(rng.random(len(of)) * 1.3, 1.0), 3),
    }


def _with_repeats(rows: dict[str, np.ndarray], shape: Shape, rng: np.random.Generator) -> dict[str, np.ndarray]:
    n = len(next(iter(rows.values())))
    again = rng.choice(n, int(n * shape.repeated), replace=False)
    return {name: np.concatenate([values, values[again]]) for name, values in rows.items()}


WORDS = {"surface": SURFACES, "event_type": TYPES, "action": ("do", "undo")}


def _column(name: str, values: np.ndarray) -> pa.Array:
    if name in WORDS:
        return pa.DictionaryArray.from_arrays(values.astype(np.int32), pa.array(WORDS[name])).cast(pa.string())
    if name.endswith("_ts"):
        return pa.array(values, pa.timestamp("us", "UTC"), mask=values < 0)
    return pa.array(values)


def write(landing: Path, event: str, rows: dict[str, np.ndarray], time: str) -> None:
    """Write files in order of arrival, which is about the order of event time."""
    order = np.argsort(rows[time], kind="stable")
    folder = landing / event / f"hour={HOUR:%Y-%m-%dT%H}"
    folder.mkdir(parents=True, exist_ok=True)
    for number, first in enumerate(range(0, len(order), ROWS_PER_FILE)):
        chosen = order[first : first + ROWS_PER_FILE]
        table = pa.table({name: _column(name, values[chosen]) for name, values in rows.items()})
        pq.write_table(table, folder / f"part-{number:03d}.parquet", compression="snappy")


def as_text(parquet: Path, landing: Path) -> None:
    """Write the same hour as gzipped JSON Lines, file by file, unless it exists."""
    done = landing / "_done"
    if done.exists():
        return
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for file in sorted(parquet.rglob("*.parquet")):
        to = landing / file.relative_to(parquet).with_suffix(".jsonl.gz")
        to.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(
            f"COPY (FROM read_parquet('{file}', hive_partitioning = false)) TO '{to}' "
            "(FORMAT json, COMPRESSION gzip, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ')"
        )
    done.touch()


def _dimensions(landing: Path, shape: Shape, rng: np.random.Generator) -> None:
    start, creators = (START_MS - 86_400_000) * 1000, max(shape.posts // 10, 2)
    posts = np.arange(1, shape.posts + 1)
    write_changes(landing, "ranker_models", {
        "ranker_model_id": np.arange(1, MODELS + 1),
        "model_semver": pa.array([f"{1 + i // 10}.{i % 10}.0" for i in range(MODELS)]),
        "feature_set": pa.array(["base"] * MODELS),
        "deployed_pct": np.full(MODELS, 1.0),
    }, start)  # fmt: skip
    write_changes(landing, "posts", {
        "post_id": posts,
        "creator_id": rng.integers(1, creators + 1, shape.posts),
        "media_type": pa.array(["video"] * shape.posts),
        "audio_id": rng.integers(1, max(shape.posts // 50, 2), shape.posts),
    }, start)  # fmt: skip
    write_changes(landing, "creators", {
        "creator_id": np.arange(1, creators + 1),
        "handle": pa.array([f"creator_{i}" for i in range(1, creators + 1)]),
        "follower_count": rng.integers(0, 10**6, creators),
    }, start)  # fmt: skip


def write_changes(landing: Path, event: str, rows: dict[str, object], effective: int) -> None:
    """Write a change log as one file; all changes have the same instant."""
    table = pa.table({name: pa.array(values) for name, values in rows.items()})
    many = table.num_rows
    table = table.append_column("effective_ts", pa.array([effective] * many, pa.timestamp("us", "UTC")))
    table = table.append_column("op", pa.array(["upsert"] * many))
    folder = landing / event / f"hour={HOUR:%Y-%m-%dT%H}"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "part-000.parquet", compression="snappy")
