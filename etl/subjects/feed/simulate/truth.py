"""What a correct pipeline must find, accumulated while the feed is made, in plain dictionaries.

It knows a record only by being told that it will land; delivering it again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from etl.sources.landing_writer import Row
from etl.sources.stamps import MINUTE_US, hour_of, minted_us

FULL_VIEW = 0.99
REGRET_US = 5 * MINUTE_US
ONCE_AN_HOUR = frozenset({"like", "save", "follow_creator", "hide"})
"""Event types of which a viewer's repeats on a post within an hour count once."""

CHANGE_KEYS = {"ranker_models": "model_semver", "posts": "post_id", "creators": "creator_id"}
"""The natural key of each change log."""

EngagementKey = tuple[int, int, str, int]
"""Viewer, post, event type, moment of the action done: what an undo takes back."""


@dataclass
class Dwell:
    """The beats of one impression: a bit for every beat_seq seen, the largest viewport share."""

    viewer_id: int
    beats: int = 0
    viewport: float = 0.0

    @property
    def dwell_ms(self) -> int:
        """A quarter of a second for every distinct beat."""
        return 250 * self.beats.bit_count()

    @property
    def is_full_view(self) -> bool:
        """Whether the post was on screen as good as whole, before any rounding."""
        return self.viewport >= FULL_VIEW


@dataclass
class Truth:
    """Every lawful record that lands, once, and the counts of what landed."""

    impressions: dict[int, Row] = field(default_factory=dict)
    engagements: dict[int, Row] = field(default_factory=dict)
    shares: dict[int, Row] = field(default_factory=dict)
    dwell: dict[int, Dwell] = field(default_factory=dict)
    changes: dict[str, dict[tuple[object, int], Row]] = field(
        default_factory=lambda: {event: {} for event in CHANGE_KEYS}
    )
    landing: dict[tuple[str, int], Counter[str]] = field(default_factory=dict)
    """(event, landed hour) → records accepted and quarantined."""
    reasons: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    """(event, landed hour, reason) → records with it."""

    def accept(self, event: str, row: Row) -> None:
        """A lawful record will land."""
        match event:
            case "impressions":
                self.impressions[row["impression_id"]] = row
            case "heartbeats":
                self._beat(row)
            case "engagements":
                self.engagements[row["engagement_id"]] = row
            case "shares":
                self.shares[row["share_id"]] = row
            case _:
                self.changes[event][row[CHANGE_KEYS[event]], row["effective_ts"]] = row

    def landed(self, event: str, landed_us: int, records: Counter[str]) -> None:
        """An hour of an event has been written, with so many records accepted and quarantined."""
        self.landing[event, landed_us] = records

    def quarantined(self, event: str, landed_us: int, reasons: Iterable[str]) -> None:
        """A bad record has been written, with all its reasons."""
        self.reasons.update((event, landed_us, reason) for reason in reasons)

    def _beat(self, row: Row) -> None:
        dwell = self.dwell.get(row["impression_id"])
        if dwell is None:
            dwell = self.dwell[row["impression_id"]] = Dwell(row["viewer_id"])
        dwell.beats |= 1 << row["beat_seq"]
        dwell.viewport = max(dwell.viewport, row["viewport_pct"])


def done_ts(engagement: Row) -> int:
    """The moment of the action done: an undo lies where what it undoes lies."""
    moment: int = engagement["original_ts"] if engagement["action"] == "undo" else engagement["event_ts"]
    return moment


def engagement_key(engagement: Row) -> EngagementKey:
    """What ties an undo to what it undoes."""
    return engagement["viewer_id"], engagement["post_id"], engagement["event_type"], done_ts(engagement)


def impression_hour(impression_id: int) -> int:
    """The hour minted into an id, microseconds since 1970."""
    return hour_of(minted_us(impression_id))


def settled(truth: Truth) -> list[Row]:
    """The `do` records that count: not taken back, and a viewer's repeats within an hour once."""
    undone = {engagement_key(row) for row in truth.engagements.values() if row["action"] == "undo"}
    standing = (
        row for row in truth.engagements.values() if row["action"] == "do" and engagement_key(row) not in undone
    )
    first: dict[object, Row] = {}
    for row in sorted(standing, key=lambda row: (row["event_ts"], row["engagement_id"])):
        first.setdefault(_counted_as(row), row)
    return list(first.values())


def _counted_as(row: Row) -> object:
    """Records of the same value count once."""
    if row["event_type"] not in ONCE_AN_HOUR:
        return row["engagement_id"]
    return row["viewer_id"], row["post_id"], row["event_type"], hour_of(row["event_ts"])


def regretted(truth: Truth) -> list[Row]:
    """The likes done that were taken back in under five minutes."""
    quick = {
        engagement_key(row)
        for row in truth.engagements.values()
        if row["action"] == "undo" and row["event_type"] == "like" and row["event_ts"] - done_ts(row) < REGRET_US
    }
    return [row for row in truth.engagements.values() if row["action"] == "do" and engagement_key(row) in quick]
