"""The change logs of rankers, posts and creators: the changes of each hour, and the hours in which they land.

The first change of a post, creator or ranker version is never late, so facts only refer to known ids. Later changes may
be late-arriving, and every change may be duplicated.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from etl.sources.landing_writer import Row
from etl.sources.stamps import DAY_US, HOUR_US, MINUTE_US
from etl.subjects.feed.simulate.delivery import Outbox
from etl.subjects.feed.simulate.world import CONTROL, TREATMENT, Release, World, another_audio

_LATE = 0.15
CHANGE_REPEAT_FACTOR = 5
"""Changes are duplicated this many times as often as facts."""
_RETIRED_ID = 9_000
_SWAPPED = (2, 3, 5)
"""Indexes of popular posts whose audio changes every hour; the audio of the first one changes twice."""


def send_changes(world: World, outbox: Outbox, hour: int) -> None:
    """Send all changes of the hour with this index. The first hour also sends the initial state."""
    rng = np.random.default_rng([world.scenario.seed, 0xC4A6, hour])
    if hour == 0:
        _send_initial(world, outbox, rng)
    _send_rankers(world, outbox, hour)
    for event, changes in (
        ("posts", _post_changes(world, hour, rng)),
        ("creators", _creator_changes(world, hour, rng)),
    ):
        rows = list(changes)
        late = (rng.random(len(rows)) < _LATE) * rng.integers(1, 3, len(rows))
        _send(world, outbox, event, rows, hour + late)


def _send(world: World, outbox: Outbox, event: str, rows: list[Row], hours: np.ndarray) -> None:
    outbox.send_to(event, rows, hours, min(1.0, CHANGE_REPEAT_FACTOR * world.scenario.repeat_share))


def _change(payload: Row, effective_us: int, op: str = "upsert") -> Row:
    """The record of a change. Null fields are left out."""
    known = {name: value for name, value in payload.items() if value is not None}
    return known | {"effective_ts": effective_us, "op": op}


def _send_initial(world: World, outbox: Outbox, rng: np.random.Generator) -> None:
    """Send the initial posts and creators, each effective since some time in the 90 days before the start."""
    for event, state in (("creators", world.creators), ("posts", world.posts)):
        ages = rng.integers(HOUR_US, 90 * DAY_US, len(state)).tolist()
        rows = [
            _change(payload, world.scenario.start_us - age) for payload, age in zip(state.values(), ages, strict=True)
        ]
        rows += [_change(*scheduled) for scheduled in _scheduled(world, event)]
        _send(world, outbox, event, rows, np.zeros(len(rows), dtype=np.int64))


def _scheduled(world: World, event: str) -> list[tuple[Row, int, str]]:
    """Changes that land at the start and take effect after the end: a delete, a new creator, a new handle."""
    end = world.scenario.end_us
    celebrity, other = list(world.creators.values())[:2]
    if event == "creators":
        return [(celebrity | {"handle": "renamed_later"}, end + 90 * DAY_US, "upsert")]
    newest = world.posts[world.celebrity_post] | {"creator_id": other["creator_id"]}
    return [
        (world.posts[world.toxic_post], end + 30 * DAY_US, "delete"),
        (newest, end + 60 * DAY_US, "upsert"),
    ]


def _send_rankers(world: World, outbox: Outbox, hour: int) -> None:
    """Send ranker versions. The first ones land at the start; a later one lands in its hour or the hour before."""
    for place, release in enumerate(world.releases):
        rows = _release_rows(release)
        if max(0, place - 1 - (place + 1) % 2) == hour:
            outbox.send_to("ranker_models", rows, [hour, hour], 0.5)
        if place and place == hour:
            outbox.send_to("ranker_models", rows, [hour, hour], 0)
    rows = _old_ranker(world) if hour == 0 else []
    outbox.send_to("ranker_models", rows, [1, 0, 0][: len(rows)], 0)


def _release_rows(release: Release) -> list[Row]:
    shares = (
        (CONTROL, release.control_id, 100 - release.treatment_pct),
        (TREATMENT, release.treatment_id, release.treatment_pct),
    )
    return [_change(_ranker(semver, model_id, pct), release.effective_us) for semver, model_id, pct in shares]


def _ranker(semver: str, model_id: int, pct: float) -> Row:
    return {
        "ranker_model_id": model_id,
        "model_semver": semver,
        "feature_set": f"features-{semver[1:4]}",
        "deployed_pct": pct,
        "model_card_url": None if semver == CONTROL else f"https://models.example/{semver}",
    }


def _old_ranker(world: World) -> list[Row]:
    """A retired ranker whose first change lands an hour after its last one, and an unchanged version of a ranker."""
    start, old = world.scenario.start_us, _ranker("v3.0.0", _RETIRED_ID, 100.0)
    same = _ranker(CONTROL, world.releases[0].control_id, 100 - world.releases[0].treatment_pct)
    return [
        _change(old, start - 40 * DAY_US),
        _change(old, start - 10 * DAY_US, "retire"),
        _change(same, start + 10 * MINUTE_US),
    ]


def _post_changes(world: World, hour: int, rng: np.random.Generator) -> Iterator[Row]:
    """New captions, new audio, deletes, restored posts, and changes that change nothing."""
    ids = list(world.posts)
    quiet = [post for post in ids[20:] if post not in world.deleted]
    edits = max(3, len(ids) // 200)
    chosen = [quiet[i] for i in rng.choice(len(quiet), edits + 5, replace=False).tolist()]
    moment = _moments(world, hour, rng, edits + 10)
    returning = sorted(world.deleted)[:1]
    for post in chosen[:edits]:
        yield _edit(world, post, next(moment), caption=f"edited in hour {hour}")
    for index in (*_SWAPPED, _SWAPPED[0]):
        yield _edit(world, ids[index], next(moment), audio_id=another_audio(world.posts[ids[index]]["audio_id"], rng))
    for post in chosen[edits : edits + 2]:
        world.deleted.add(post)
        yield _change(world.posts[post], next(moment), "delete")
    for post in chosen[edits + 2 :]:
        yield _change(world.posts[post], next(moment))
    for post in returning:
        world.deleted.discard(post)
        yield _change(world.posts[post], next(moment))


def _moments(world: World, hour: int, rng: np.random.Generator, size: int) -> Iterator[int]:
    """`size` increasing, distinct times around the middle of an hour."""
    step = 40 * MINUTE_US // size
    start = world.scenario.hour_us(hour) + 10 * MINUTE_US
    yield from (start + place * step + int(rng.integers(1, step)) for place in range(size))


def _edit(world: World, post: int, us: int, **changed: object) -> Row:
    world.posts[post] = world.posts[post] | changed
    return _change(world.posts[post], us)


def _creator_changes(world: World, hour: int, rng: np.random.Generator) -> Iterator[Row]:
    """New follower counts (always for the celebrity), a change that changes nothing, and one delete in hour 1."""
    ids = list(world.creators)
    moved = rng.choice(len(ids) - 2, max(1, len(ids) // 50), replace=False) + 1
    moment = _moments(world, hour, rng, len(moved) + 3)
    for index in (0, *moved.tolist()):
        creator = world.creators[ids[index]]
        growth = int(rng.integers(-2, 50))
        creator = creator | {"follower_count": max(0, creator["follower_count"] + growth)}
        world.creators[ids[index]] = creator
        yield _change(creator, next(moment))
    yield _change(world.creators[ids[0]], next(moment))
    if hour == 1:
        yield _change(world.creators[ids[-1]], next(moment), "delete")
