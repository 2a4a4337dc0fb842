"""Shares. Each share creates a new post, which can be shared again, so shares form a tree."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from etl.sources.landing_writer import Row
from etl.subjects.feed.simulate.change_log import CHANGE_REPEAT_FACTOR
from etl.subjects.feed.simulate.delivery import Outbox
from etl.subjects.feed.simulate.serving import Served
from etl.subjects.feed.simulate.world import World, reshare

_ODDS = 0.008
_RESHARED = 0.5
"""The share of shares whose original post is itself a recent share."""
_OFFLINE = 12
"""One in so many shares lands an hour later."""
_CHANNELS = ("story", "message", "copied_link", None)


def send_shares(world: World, outbox: Outbox, served: Served, hour: int, rng: np.random.Generator) -> None:
    """Send the shares of an hour: each share, the engagement of the viewer who shared, and the new post."""
    hits = np.flatnonzero(rng.random(len(served)) < _ODDS).tolist()
    shares = list(_shares(world, served, hits, rng))
    times = [share["share_ts"] for share, _impression in shares]
    held = [int(place % _OFFLINE == 0) for place in range(1, len(shares) + 1)]
    outbox.send("shares", [share for share, _impression in shares], times, held)
    outbox.send("engagements", [_engagement(world, *share) for share in shares], times)
    posts = [_post(world, share, rng) for share, _impression in shares]
    outbox.send_to("posts", posts, [hour] * len(posts), CHANGE_REPEAT_FACTOR * world.scenario.repeat_share)


def _shares(
    world: World, served: Served, hits: list[int], rng: np.random.Generator
) -> Iterator[tuple[Row, int | None]]:
    """Shares in time order, each with its impression; None when the viewer came through a deep link."""
    made: list[int] = []
    for index in hits:
        original, impression = int(served.post_ids[index]), int(served.impression_ids[index])
        is_on = bool(made) and rng.random() < _RESHARED
        if is_on:
            original = made[-1 - int(rng.integers(min(8, len(made))))]
        made.append(next(world.reshare_ids))
        share = _share(world, served, index, original, made[-1], rng)
        yield share, None if is_on else impression


def _share(world: World, served: Served, index: int, original: int, shared: int, rng: np.random.Generator) -> Row:
    """A share record. Its time is the time of the impression, so shares are in the order they are created."""
    share = {
        "share_id": next(world.share_ids),
        "original_post_id": original,
        "shared_post_id": shared,
        "viewer_id": int(served.viewer_ids[index]),
        "share_ts": int(served.times_us[index]),
    }
    channel = _CHANNELS[int(rng.integers(len(_CHANNELS)))]
    return share | ({"channel": channel} if channel else {})


def _engagement(world: World, share: Row, impression_id: int | None) -> Row:
    return {
        "engagement_id": next(world.engagement_ids),
        "impression_id": impression_id,
        "viewer_id": share["viewer_id"],
        "post_id": share["original_post_id"],
        "event_type": "share",
        "action": "do",
        "event_ts": share["share_ts"],
    }


def _post(world: World, share: Row, rng: np.random.Generator) -> Row:
    """The change record of the new post. It is never late, because the next hour already serves the post."""
    creators = list(world.creators)
    creator = creators[1 + int(rng.integers(len(creators) - 2))]
    post_id, original = share["shared_post_id"], share["original_post_id"]
    world.posts[post_id] = reshare(post_id, world.posts[original], creator)
    known = {name: value for name, value in world.posts[post_id].items() if value is not None}
    return known | {"effective_ts": share["share_ts"], "op": "upsert"}
