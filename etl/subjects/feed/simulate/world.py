"""The current state of a simulated feed: its accounts, posts and rankers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count

import numpy as np

from etl.sources.landing_writer import Row
from etl.sources.stamps import DAY_US, HOUR_US, MINUTE_US
from etl.subjects.feed.simulate.scenario import Scenario

CONTROL, TREATMENT = "v3.1.0", "v3.2.0"
TREATMENT_PCT = 50.0
"""Percent of traffic of the newer ranker. It never changes: `ranker_lift` leaves out a day on which a share changes."""
REBUILDS = 3
"""New versions of both rankers during the first hours, with the same shares."""
CELEBRITY, TOXIC = 0, 1
"""Indexes of the latest post of the celebrity and of the post that turns toxic."""

_POST_ID, _CREATOR_ID, _VIEWER_ID, _MODEL_ID, _AUDIO_ID = (
    7_000_000_000,
    500_000,
    1_000_000_000,
    9_001,
    300_000,
)
_RESHARE_ID = 8_000_000_000
_MEDIA = ("photo", "reel", "carousel", "video")
_COUNTRIES = ("DE", "FR", "BR", "IN", "US", None)


@dataclass(frozen=True)
class Release:
    """New versions of both rankers: their ids, their start, and the percentage of the newer ranker."""

    effective_us: int
    control_id: int
    treatment_id: int
    treatment_pct: float


class World:
    """Everything that exists. Each change of this state is also sent as a change record."""

    def __init__(self, scenario: Scenario) -> None:
        """Create the state at the start of the first hour."""
        self.scenario = scenario
        rng = np.random.default_rng([scenario.seed, 0x30B1D])
        self.creators: dict[int, Row] = {_CREATOR_ID + i: _creator(i, rng) for i in range(scenario.creators)}
        self.posts: dict[int, Row] = {_POST_ID + i: _post(i, scenario, rng) for i in range(scenario.posts)}
        self.deleted: set[int] = set()
        self.releases = _releases(scenario)
        self.viewer_ids = _VIEWER_ID + 7919 * np.arange(scenario.viewers, dtype=np.int64)
        self.viewer_odds = _viewer_odds(scenario)
        self.is_early_viewer = np.array([ramp_bucket(int(v)) for v in self.viewer_ids])
        self.reshare_ids = count(_RESHARE_ID)
        self.engagement_ids = count(40_000_000_000)
        self.comment_ids = count(60_000_000_000)
        self.share_ids = count(20_000_000_000)
        self.comments: dict[int, list[tuple[int, int]]] = defaultdict(list)

    @property
    def celebrity_post(self) -> int:
        """The id of the latest post of the celebrity."""
        return _POST_ID + CELEBRITY

    @property
    def toxic_post(self) -> int:
        """The id of the post that turns toxic."""
        return _POST_ID + TOXIC

    def live_posts(self) -> np.ndarray:
        """The ids of the posts that can be served: celebrity post, toxic post, then by popularity."""
        return np.array([post for post in self.posts if post not in self.deleted], dtype=np.int64)


def zipf(size: int, exponent: float) -> np.ndarray:
    """Probabilities that fall with rank as `rank ** -exponent`."""
    odds: np.ndarray = np.arange(1, size + 1, dtype=np.float64) ** -exponent
    return odds / odds.sum()


def ramp_bucket(viewer_id: int) -> float:
    """A fixed number from 0 to 100 for a viewer. The newer ranker serves viewers below its percentage."""
    return int.from_bytes(blake2b(f"ramp:{viewer_id}".encode(), digest_size=8).digest(), "big") / 2**64 * 100


def _viewer_odds(scenario: Scenario) -> np.ndarray:
    odds = zipf(scenario.viewers, 0.6)
    odds[1:] *= (1 - scenario.hot_viewer_share) / odds[1:].sum()
    odds[0] = scenario.hot_viewer_share
    return odds


def _creator(index: int, rng: np.random.Generator) -> Row:
    followers = 40_000_000 if index == CELEBRITY else int(rng.pareto(1.1) * 300)
    creator = {
        "creator_id": _CREATOR_ID + index,
        "handle": f"creator_{index:05d}",
        "follower_count": followers,
    }
    country = _COUNTRIES[int(rng.integers(len(_COUNTRIES)))]
    return creator | ({"country": country} if country else {})


def _post(index: int, scenario: Scenario, rng: np.random.Generator) -> Row:
    """A post. The celebrity has the first and every fiftieth post; one in eight posts has no sound."""
    creator = 0 if index % 50 == 0 else 1 + int((scenario.creators - 1) * rng.random() ** 2)
    audio = None if rng.random() < 0.125 else _AUDIO_ID + int(60 * rng.random() ** 2)
    return {
        "post_id": _POST_ID + index,
        "creator_id": _CREATOR_ID + creator,
        "media_type": _MEDIA[index % len(_MEDIA)],
        "audio_id": audio,
        "caption": f"post {index}" if index % 7 else None,
    }


def reshare(post_id: int, original: Row, creator_id: int) -> Row:
    """The post that a share creates: the same media and sound with another creator."""
    caption = f"reshared from {original['post_id']}"
    return original | {"post_id": post_id, "creator_id": creator_id, "caption": caption}


def another_audio(current: int | None, rng: np.random.Generator) -> int:
    """An audio id that differs from the current one."""
    audio = _AUDIO_ID + int(rng.integers(60))
    return audio + 60 if audio == current else audio


def _releases(scenario: Scenario) -> tuple[Release, ...]:
    """The first versions, live from ten days before the start, and new ones at half past each of the first hours."""
    first = Release(scenario.start_us - 10 * DAY_US, _MODEL_ID, _MODEL_ID + 1, TREATMENT_PCT)
    later = (
        Release(_rebuilt_us(scenario, k), _MODEL_ID + 2 + 2 * k, _MODEL_ID + 3 + 2 * k, TREATMENT_PCT)
        for k in range(REBUILDS)
    )
    return (first, *later)


def _rebuilt_us(scenario: Scenario, index: int) -> int:
    return scenario.start_us + index * HOUR_US + 30 * MINUTE_US
