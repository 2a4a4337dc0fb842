"""Heartbeats: one every 250 ms while a post is on screen; some are lost or duplicated, as with real clients."""

from __future__ import annotations

import numpy as np

from etl.sources.landing_writer import Row
from etl.sources.stamps import SECOND_US
from etl.subjects.feed.simulate.delivery import Outbox
from etl.subjects.feed.simulate.scenario import Scenario
from etl.subjects.feed.simulate.serving import Served

BEAT_US = SECOND_US // 4
_SWIPED_PAST = 0.08
_MEAN_BEATS = 3.9
_LONG_WATCH, _LONG_BEATS = 0.005, (65, 240)
_LOST = 0.03
_REPLAYED, _RESTARTED, _TAIL_HELD = 0.01, 0.004, 0.006
_EDGES = np.array([0.984, 0.985, 0.986, 0.989, 0.99, 0.991, 0.994, 0.995])
"""Viewport shares close to the limit of a full view, and close to where rounding to two places changes the value."""


def send_beats(outbox: Outbox, scenario: Scenario, served: Served, rng: np.random.Generator) -> None:
    """Send all heartbeats of the impressions of an hour, including replayed and late-arriving ones."""
    lengths = _lengths(scenario, served, rng)
    owner = np.repeat(np.arange(len(served)), lengths)
    sequence = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kept = rng.random(len(owner)) >= _LOST
    rows, times = _beats(served, owner[kept], sequence[kept], rng)
    outbox.send("heartbeats", rows, times, _held_tail(lengths, owner[kept], sequence[kept], rng))
    _send_again(outbox, served, owner[kept], rows, rng)


def _lengths(scenario: Scenario, served: Served, rng: np.random.Generator) -> np.ndarray:
    """Beats per impression: geometric, zero when the viewer swipes past, and a few with more than 64 beats."""
    size = len(served)
    mean = np.where(served.is_treatment, _MEAN_BEATS * (1 + scenario.lift), _MEAN_BEATS)
    lengths = rng.geometric(1 / mean)
    lengths = np.where(rng.random(size) < _LONG_WATCH, rng.integers(*_LONG_BEATS, size), lengths)
    lengths[rng.random(size) < _SWIPED_PAST] = 0
    return lengths


def _beats(
    served: Served, owner: np.ndarray, sequence: np.ndarray, rng: np.random.Generator
) -> tuple[list[Row], np.ndarray]:
    times = served.times_us[owner] + sequence * BEAT_US + rng.integers(0, 20_000, len(owner))
    viewports = np.round(_peaks(len(served), rng)[owner] * _visible(len(owner), rng), 3)
    columns = (served.impression_ids[owner], served.viewer_ids[owner], sequence, times, viewports)
    rows = [
        {
            "impression_id": impression,
            "viewer_id": viewer,
            "beat_seq": beat,
            "beat_ts": us,
            "viewport_pct": share,
        }
        for impression, viewer, beat, us, share in zip(*(column.tolist() for column in columns), strict=True)
    ]
    return rows, times


def _peaks(size: int, rng: np.random.Generator) -> np.ndarray:
    """The largest visible part of each post: all of it, a part of it, or a value close to a limit."""
    kind = rng.random(size)
    peaks = np.where(kind < 0.5, 1.0, rng.integers(200, 980, size) / 1000)
    edges = rng.choice(_EDGES, size)
    return np.where(kind > 0.9, edges, peaks)


def _visible(size: int, rng: np.random.Generator) -> np.ndarray:
    """The share of that part that is visible at each beat; it is 1 for two beats in three."""
    return np.where(rng.random(size) < 2 / 3, 1.0, rng.integers(300, 1000, size) / 1000)


def _held_tail(lengths: np.ndarray, owner: np.ndarray, sequence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Extra hours of delay: an offline phone sends the second half of its beats an hour later."""
    is_held = (rng.random(len(lengths)) < _TAIL_HELD) & (lengths > 1)
    return (is_held[owner] & (2 * sequence >= lengths[owner])).astype(np.int64)


def _send_again(outbox: Outbox, served: Served, owner: np.ndarray, rows: list[Row], rng: np.random.Generator) -> None:
    """Send all beats of some impressions again: replayed without changes, or restarted from 0 after 90 seconds."""
    for share, later_us in ((_REPLAYED, 0), (_RESTARTED, 90 * SECOND_US)):
        chosen = np.flatnonzero((rng.random(len(served)) < share)[owner]).tolist()
        again = [rows[index] | {"beat_ts": rows[index]["beat_ts"] + later_us} for index in chosen]
        outbox.send("heartbeats", again, [row["beat_ts"] for row in again])
