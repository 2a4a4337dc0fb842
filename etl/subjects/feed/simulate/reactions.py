"""Engagements: the reactions of viewers to posts, and their undos.

Every action has its own id and time. An undo has the time of the undone action as original_ts. It may happen within
five minutes (a regret), later, in another hour, or twice. It may also land before the action it undoes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from etl.sources.landing_writer import Row
from etl.sources.stamps import HOUR_US, MINUTE_US, SECOND_US
from etl.subjects.feed.simulate.delivery import Outbox
from etl.subjects.feed.simulate.serving import Served
from etl.subjects.feed.simulate.world import World

_ODDS = {
    "like": 0.09,
    "save": 0.015,
    "comment": 0.02,
    "follow_creator": 0.006,
    "hide": 0.002,
    "report": 0.0006,
}
_TOXIC_ODDS = {"hide": 0.03, "report": 0.015}
_DEEP_LINKS = 0.008
"""Engagements through a deep link, without impression_id, per impression."""
_UNDO_ODDS = {
    "like": 0.15,
    "save": 0.06,
    "follow_creator": 0.06,
    "hide": 0.05,
    "comment": 0.03,
    "report": 0.0,
}
_REGRET, _REGRET_LIMIT_US = 0.6, 5 * MINUTE_US
_UNDONE_TWICE, _RELIKED, _REPEATED = 0.05, 0.35, 0.08
_UNDO_FIRST = 0.15
"""The share of undone actions that land an hour later, so that the undo lands first."""
_NEXT_DAY, _CLOCK_BEHIND = 0.003, 0.003
_REPLY = 0.75


@dataclass
class Reactions:
    """The engagements of one hour, to be sent together."""

    world: World
    rng: np.random.Generator
    rows: list[Row] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    """Extra hours of delay, one per row."""

    def act(self, row: Row, held: int = 0) -> None:
        """Add one action with a new id. `held` is its extra delay in hours."""
        self.rows.append({"engagement_id": next(self.world.engagement_ids), **row})
        self.held.append(held)

    def send(self, outbox: Outbox) -> None:
        """Send all engagements."""
        outbox.send("engagements", self.rows, [row["event_ts"] for row in self.rows], self.held)


def send_reactions(world: World, outbox: Outbox, served: Served, hour: int, rng: np.random.Generator) -> None:
    """Send the engagements that the impressions and deep links of an hour lead to."""
    reactions = Reactions(world, rng)
    for event_type in _ODDS:
        hits = np.flatnonzero(rng.random(len(served)) < _odds(world, served, event_type, hour))
        for index in hits.tolist():
            _react(reactions, event_type, _from_impression(world, served, index, rng))
    for index in np.flatnonzero(rng.random(len(served)) < _DEEP_LINKS).tolist():
        event_type = ("like", "comment", "save", "follow_creator", "report")[int(rng.integers(5))]
        _react(reactions, event_type, _from_link(world, served, index, rng))
    reactions.send(outbox)


def _odds(world: World, served: Served, event_type: str, hour: int) -> np.ndarray:
    """The odds of an engagement, per impression.

    The newer ranker gets more likes. Viewers hide and report the toxic post from the second hour on.
    """
    odds = np.full(len(served), _ODDS[event_type])
    if event_type == "like":
        odds[served.is_treatment] *= 1 + world.scenario.lift
    if hour and event_type in _TOXIC_ODDS:
        odds[served.post_ids == world.toxic_post] = _TOXIC_ODDS[event_type]
    return odds


def _from_impression(world: World, served: Served, index: int, rng: np.random.Generator) -> Row:
    """An engagement seconds to minutes after its impression; a few are a day later or, with wrong clocks, before it."""
    delay, draw = int(rng.exponential(20 * SECOND_US)), rng.random()
    if draw < _NEXT_DAY:
        delay = int(rng.integers(20 * HOUR_US, 28 * HOUR_US))
    elif draw > 1 - _CLOCK_BEHIND:
        delay = -2 * SECOND_US
    return {
        "impression_id": int(served.impression_ids[index]),
        "viewer_id": int(served.viewer_ids[index]),
        "post_id": int(served.post_ids[index]),
        "event_ts": max(world.scenario.start_us, int(served.times_us[index]) + delay),
    }


def _from_link(world: World, served: Served, index: int, rng: np.random.Generator) -> Row:
    """An engagement without an impression (null or absent), by any viewer, often for the celebrity's post."""
    row = {
        "viewer_id": int(world.viewer_ids[int(rng.integers(len(world.viewer_ids)))]),
        "post_id": int(served.post_ids[index]) if index % 2 else world.celebrity_post,
        "event_ts": int(served.times_us[index]),
    }
    return {"impression_id": None, **row} if index % 3 else row


def _react(reactions: Reactions, event_type: str, base: Row) -> None:
    """Add one action, and its undo or repetition, if any."""
    rng = reactions.rng
    action = {**base, "event_type": event_type, "action": "do"}
    if event_type == "comment":
        action |= _comment(reactions.world, base, rng)
    is_undone = rng.random() < _UNDO_ODDS[event_type]
    reactions.act(action, held=int(is_undone and rng.random() < _UNDO_FIRST))
    if is_undone:
        _take_back(reactions, action)
    elif event_type != "comment" and rng.random() < _REPEATED:
        reactions.act(action | {"event_ts": action["event_ts"] + int(rng.integers(1, 90 * SECOND_US))})


def _take_back(reactions: Reactions, action: Row) -> None:
    """Add the undo; sometimes also a second undo from a retrying client, or the same action again after the undo."""
    rng, done_us = reactions.rng, action["event_ts"]
    undo_us = done_us + _undo_delay(rng)
    undo = action | {"action": "undo", "event_ts": undo_us, "original_ts": done_us}
    reactions.act(undo)
    if rng.random() < _UNDONE_TWICE:
        reactions.act(undo | {"event_ts": undo_us + 2 * SECOND_US})
    if action["event_type"] != "comment" and rng.random() < _RELIKED:
        reactions.act(action | {"event_ts": undo_us + int(rng.integers(SECOND_US, 10 * MINUTE_US))})


def _undo_delay(rng: np.random.Generator) -> int:
    """The time until an undo: under five minutes, exactly five minutes (not a regret), or up to 90 minutes."""
    draw = rng.random()
    if draw < _REGRET:
        return int(rng.integers(SECOND_US, _REGRET_LIMIT_US))
    return _REGRET_LIMIT_US if draw > 0.97 else int(rng.integers(_REGRET_LIMIT_US, 90 * MINUTE_US))


def _comment(world: World, base: Row, rng: np.random.Generator) -> Row:
    """A comment, often a reply to the latest comment, which makes deep threads, or to a random one."""
    thread = [(us, comment) for us, comment in world.comments[base["post_id"]] if us < base["event_ts"]]
    comment = {"comment_id": next(world.comment_ids)}
    world.comments[base["post_id"]].append((base["event_ts"], comment["comment_id"]))
    if thread and rng.random() < _REPLY:
        parent = max(thread) if rng.random() < 0.6 else thread[int(rng.integers(len(thread)))]
        comment["parent_comment_id"] = parent[1]
    return comment
