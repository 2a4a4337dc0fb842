"""The truth: what a correct pipeline must compute, collected in plain dictionaries while the feed is simulated.

The outbox adds a record to the truth when the record is sure to land. A duplicate changes nothing.
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
"""Event types that count once per viewer, post and hour."""

CHANGE_KEYS = {"ranker_models": "model_semver", "posts": "post_id", "creators": "creator_id"}
"""The natural key of each change log."""

EngagementKey = tuple[int, int, str, int]
"""Viewer, post, event type and time of the original action. An undo and the undone action have equal keys."""


@dataclass
class Dwell:
    """The heartbeats of one impression: one bit for every beat_seq, and the largest viewport share."""

    viewer_id: int
    beats: int = 0
    viewport: float = 0.0

    @property
    def dwell_ms(self) -> int:
        """250 ms for every distinct beat."""
        return 250 * self.beats.bit_count()

    @property
    def is_full_view(self) -> bool:
        """Whether at least 0.99 of the post was on screen, before rounding."""
        return self.viewport >= FULL_VIEW


@dataclass
class Truth:
    """Every valid record that lands, without duplicates, and the counts of landed records."""

    impressions: dict[int, Row] = field(default_factory=dict)
    engagements: dict[int, Row] = field(default_factory=dict)
    shares: dict[int, Row] = field(default_factory=dict)
    dwell: dict[int, Dwell] = field(default_factory=dict)
    changes: dict[str, dict[tuple[object, int], Row]] = field(
        default_factory=lambda: {event: {} for event in CHANGE_KEYS}
    )
    landing: dict[tuple[str, int], Counter[str]] = field(default_factory=dict)
    """(event, landed hour) -> numbers of accepted and quarantined records."""
    reasons: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    """(event, landed hour, reason) -> number of records."""

    def accept(self, event: str, row: Row) -> None:
        """Add a valid record that will land."""
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
        """Add the numbers of accepted and quarantined records of an event and landed hour."""
        self.landing[event, landed_us] = records

    def quarantined(self, event: str, landed_us: int, reasons: Iterable[str]) -> None:
        """Add a bad record with all its quarantine reasons."""
        self.reasons.update((event, landed_us, reason) for reason in reasons)

    def _beat(self, row: Row) -> None:
        dwell = self.dwell.get(row["impression_id"])
        if dwell is None:
            dwell = self.dwell[row["impression_id"]] = Dwell(row["viewer_id"])
        dwell.beats |= 1 << row["beat_seq"]
        dwell.viewport = max(dwell.viewport, row["viewport_pct"])


def done_ts(engagement: Row) -> int:
    """The time of the original action. For an undo, this is original_ts."""
    moment: int = engagement["original_ts"] if engagement["action"] == "undo" else engagement["event_ts"]
    return moment


def engagement_key(engagement: Row) -> EngagementKey:
    """The key that an undo and the undone action share."""
    return engagement["viewer_id"], engagement["post_id"], engagement["event_type"], done_ts(engagement)


def impression_hour(impression_id: int) -> int:
    """The hour contained in an id, in microseconds since 1970."""
    return hour_of(minted_us(impression_id))


def settled(truth: Truth) -> list[Row]:
    """The settled `do` records: not undone, and repetitions within an hour only once."""
    undone = {engagement_key(row) for row in truth.engagements.values() if row["action"] == "undo"}
    not_undone = (
        row for row in truth.engagements.values() if row["action"] == "do" and engagement_key(row) not in undone
    )
    first: dict[object, Row] = {}
    for row in sorted(not_undone, key=lambda row: (row["event_ts"], row["engagement_id"])):
        first.setdefault(_settlement_key(row), row)
    return list(first.values())


def _settlement_key(row: Row) -> object:
    """Records with equal keys count once."""
    if row["event_type"] not in ONCE_AN_HOUR:
        return row["engagement_id"]
    return row["viewer_id"], row["post_id"], row["event_type"], hour_of(row["event_ts"])


def likes_given(truth: Truth) -> dict[EngagementKey, Row]:
    """Every like once per viewer, post and time: its `do`, or its first undo where no `do` landed."""
    likes = [row for row in truth.engagements.values() if row["event_type"] == "like"]
    given: dict[EngagementKey, Row] = {}
    for row in sorted(likes, key=lambda row: (row["action"], _undo_ts(row), row["engagement_id"])):
        given.setdefault(engagement_key(row), row)
    return given


def _undo_ts(row: Row) -> int:
    return int(row["event_ts"]) if row["action"] == "undo" else 0


def regretted(truth: Truth) -> list[Row]:
    """The likes given whose first undo came in less than five minutes."""
    quick = {
        engagement_key(row)
        for row in truth.engagements.values()
        if row["action"] == "undo" and row["event_type"] == "like" and row["event_ts"] - done_ts(row) < REGRET_US
    }
    return [row for key, row in likes_given(truth).items() if key in quick]
