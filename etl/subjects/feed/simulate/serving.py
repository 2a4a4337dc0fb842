"""Impressions: which viewer sees which post, on which surface, by which ranker, with which id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etl.sources.landing_writer import Row
from etl.sources.stamps import HOUR_US, LOW_BITS, MINUTE_US, SNOWFLAKE_EPOCH_MS, partition_of
from etl.subjects.feed.simulate.scenario import Scenario
from etl.subjects.feed.simulate.world import World, zipf

_SURFACES = np.array(["feed", "reels", "stories", "explore"])
_SURFACE_ODDS = [0.55, 0.25, 0.12, 0.08]


@dataclass(frozen=True)
class Served:
    """The impressions of one hour in time order, as arrays of equal length."""

    impression_ids: np.ndarray
    viewer_ids: np.ndarray
    post_ids: np.ndarray
    times_us: np.ndarray
    """impression_ts: microseconds since 1970."""
    is_treatment: np.ndarray
    """Whether the newer ranker chose the post."""
    rows: list[Row]
    """The impressions as landing records."""

    def __len__(self) -> int:
        """The number of impressions."""
        return len(self.rows)


def serve(world: World, hour: int, rng: np.random.Generator) -> Served:
    """Create the impressions of the hour with this index."""
    scenario, size = world.scenario, world.scenario.impressions_per_hour
    times = scenario.hour_us(hour) + np.sort(rng.integers(0, HOUR_US, size))
    viewers = rng.choice(scenario.viewers, size, p=world.viewer_odds)
    viewer_ids, posts = world.viewer_ids[viewers], _posts(world, size, rng)
    models, is_treatment = _stamp(world, times, world.is_early_viewer[viewers])
    ids = _mint(scenario, hour, times, viewer_ids, rng)
    columns = {
        "impression_id": ids,
        "viewer_id": viewer_ids,
        "post_id": posts,
        "feed_position": np.minimum(rng.geometric(0.08, size) - 1, 500),
        "surface": rng.choice(_SURFACES, size, p=_SURFACE_ODDS),
        "ranker_model_id": models,
        "predicted_score": np.round(rng.beta(2, 8, size), 6),
        "device_id": viewer_ids * 10 + rng.integers(0, 2, size),
        "impression_ts": times,
    }
    return Served(ids, viewer_ids, posts, times, is_treatment, _rows(columns))


def _rows(columns: dict[str, np.ndarray]) -> list[Row]:
    """Landing records. device_id is null for clients that hide it and absent for old clients."""
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    rows = [dict(zip(columns, value, strict=True)) for value in values]
    for row in rows[::11]:
        row["device_id"] = None
    for row in rows[5::11]:
        del row["device_id"]
    return rows


def _posts(world: World, size: int, rng: np.random.Generator) -> np.ndarray:
    """The post of each impression: the celebrity and toxic posts have fixed shares, others are Zipf-distributed."""
    tail, scenario = world.live_posts()[2:], world.scenario
    posts: np.ndarray = rng.choice(tail, size, p=zipf(len(tail), 0.7))
    draw = rng.random(size)
    posts[draw < scenario.celebrity_share + scenario.toxic_share] = world.toxic_post
    posts[draw < scenario.celebrity_share] = world.celebrity_post
    return posts


def _stamp(world: World, times: np.ndarray, buckets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ranker version that serves each viewer at each time, and whether it is the newer ranker."""
    place = np.searchsorted([release.effective_us for release in world.releases], times, side="right") - 1
    is_treatment = buckets < np.array([release.treatment_pct for release in world.releases])[place]
    control = np.array([release.control_id for release in world.releases])[place]
    treatment = np.array([release.treatment_id for release in world.releases])[place]
    return np.where(is_treatment, treatment, control), is_treatment


def _mint(
    scenario: Scenario, hour: int, times: np.ndarray, viewer_ids: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Snowflake ids: milliseconds, then 10 bits for the worker (the partition), 1 for hour parity, 11 for the sequence.

    An id is created within 80 ms after the impression, but one clock in a hundred is up to 3 s off. So the hour in the
    id is not always the hour of impression_ts. The parity bit separates ids of two hours with the same millisecond.
    """
    drift = np.where(
        rng.random(len(times)) < 0.01, rng.integers(-3000, 3001, len(times)), rng.integers(0, 80, len(times))
    )
    ms = np.clip(times // 1000 + drift, scenario.start_us // 1000, scenario.end_us // 1000 - 1)
    workers = np.array([partition_of(viewer, scenario.partitions) for viewer in viewer_ids.tolist()])
    low = workers << 12 | (hour % 2) << 11 | _sequence(ms)
    minted: np.ndarray = (ms - SNOWFLAKE_EPOCH_MS) << LOW_BITS | low
    return minted


def _sequence(ms: np.ndarray) -> np.ndarray:
    """The position of each id among the ids of its millisecond, from 0."""
    order = np.argsort(ms, kind="stable")
    ranked = ms[order]
    first = np.searchsorted(ranked, ranked, side="left")
    sequence = np.empty(len(ms), dtype=np.int64)
    sequence[order] = np.arange(len(ms)) - first
    return sequence


def early_hours(scenario: Scenario, hour: int, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Extra hours of delay: -1 for a few records of the first minutes, which a slow clock files an hour early."""
    first_minutes = (times - scenario.hour_us(hour) < 4 * MINUTE_US) & (hour > 0)
    return np.where(first_minutes & (rng.random(len(times)) < 0.05), -1, 0)
