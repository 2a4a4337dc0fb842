"""The true rollups and marts, computed record by record in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from etl.sources.landing_writer import Row
from etl.sources.stamps import DAY_US, hour_of
from etl.sources.truth_versions import payload_at, versions_by_key
from etl.subjects.feed.simulate.truth import Dwell, Truth, done_ts, impression_hour, likes_given, regretted, settled

ATTRIBUTION_US = DAY_US
"""An engagement is credited to a ranker when it happens within a day of the impression."""
_RATE_LIMIT = Decimal("99.99999")
_MEASURE = {
    "like": "likes", "save": "saves", "share": "shares", "comment": "comments",
    "follow_creator": "follows", "hide": "hides", "report": "reports",
}  # fmt: skip
_NEGATIVE = ("hide", "report")
REACTIONS = (
    "likes", "saves", "shares", "comments", "follows", "hides", "reports", "negatives", "likes_given", "regrets",
)  # fmt: skip
DWELL_SUMS = ("dwell_ms_sum", "dwell_count")


@dataclass
class Cell:
    """The measures of one row of a rollup."""

    sums: Counter[str] = field(default_factory=Counter)
    viewers: set[int] = field(default_factory=set)
    audio_ms: Counter[int] = field(default_factory=Counter)

    def add(self, measure: str, amount: int = 1) -> None:
        """Add an amount to a measure."""
        self.sums[measure] += amount

    def add_impression(self, viewer_id: int) -> None:
        """Add one impression of a viewer."""
        self.add("impressions")
        self.viewers.add(viewer_id)

    def add_dwell(self, dwell: Dwell) -> None:
        """Add the dwell of one impression."""
        self.add("full_views", int(dwell.is_full_view))
        self.add("dwell_ms_sum", dwell.dwell_ms)
        self.add("dwell_count")

    def pick(self, *measures: str) -> dict[str, int]:
        """Some of the sums; 0 for a measure without counts."""
        return {measure: self.sums[measure] for measure in measures}


Cells = dict[tuple[object, ...], Cell]


def _reactions(truth: Truth) -> Iterator[tuple[str, Row]]:
    """Settled engagements with their measures, then likes given and regrets, once per viewer, post and time."""
    for row in settled(truth):
        yield _MEASURE[row["event_type"]], row
        if row["event_type"] in _NEGATIVE:
            yield "negatives", row
    yield from (("likes_given", row) for row in likes_given(truth).values())
    yield from (("regrets", row) for row in regretted(truth))


def post_hours(truth: Truth) -> Cells:
    """agg_post_engagement_hourly by (post, hour)."""
    cells: Cells = defaultdict(Cell)
    for impression in truth.impressions.values():
        hour = impression_hour(impression["impression_id"])
        cells[impression["post_id"], hour].add_impression(impression["viewer_id"])
    for measure, row in _reactions(truth):
        cells[row["post_id"], hour_of(done_ts(row))].add(measure)
    for impression, dwell in _watched_impressions(truth):
        cells[impression["post_id"], impression_hour(impression["impression_id"])].add_dwell(dwell)
    return cells


def _watched_impressions(truth: Truth) -> Iterator[tuple[Row, Dwell]]:
    for impression_id, dwell in truth.dwell.items():
        if impression_id in truth.impressions:
            yield truth.impressions[impression_id], dwell


def ranker_hours(truth: Truth) -> Cells:
    """agg_ranker_hourly by (ranker_model_id, surface, hour of the impression)."""
    return _credited(truth, _ranker_cell)


def ranker_viewer_days(truth: Truth) -> Cells:
    """mart_ranker_viewer_daily by (viewer, ranker_model_id, day of the impression)."""
    return _credited(truth, _ranker_viewer_cell)


def first_impressions(truth: Truth) -> dict[tuple[object, ...], int]:
    """The first impression_ts by (viewer, ranker_model_id, day of the impression)."""
    first: dict[tuple[object, ...], int] = {}
    for impression in truth.impressions.values():
        cell = _ranker_viewer_cell(impression)
        first[cell] = min(impression["impression_ts"], first.get(cell, impression["impression_ts"]))
    return first


def _credited(truth: Truth, cell: Callable[[Row], tuple[object, ...]]) -> Cells:
    """Impressions, their engagements and dwell, by the key that `cell` returns for the impression."""
    cells: Cells = defaultdict(Cell)
    for impression in truth.impressions.values():
        cells[cell(impression)].add_impression(impression["viewer_id"])
    for measure, row in _in_window(truth):
        cells[cell(truth.impressions[row["impression_id"]])].add(measure)
    for impression, dwell in _watched_impressions(truth):
        cells[cell(impression)].add_dwell(dwell)
    return cells


def _in_window(truth: Truth) -> Iterator[tuple[str, Row]]:
    """Reactions that name a known impression and happen within a day of it."""
    for measure, row in _reactions(truth):
        impression = truth.impressions.get(row.get("impression_id") or 0, {})
        if impression and 0 <= done_ts(row) - impression["impression_ts"] < ATTRIBUTION_US:
            yield measure, row


POSITIONS = (21, 11, 6, 3, 2, 1, 0)
"""The first positions of the position buckets, the last bucket first."""
_ENGAGING = frozenset({"likes", "saves", "shares", "comments", "follows"})
POSITION_SUMS = (
    "impressions",
    "engaged_impressions",
    "likes",
    "saves",
    "likes_given",
    "regrets",
    "negatives",
    *DWELL_SUMS,
)


def position_hours(truth: Truth) -> Cells:
    """agg_ranker_position_hourly by (ranker_model_id, surface, position, score, hour); `scores` has millionths."""
    cells = _credited(truth, _position_cell)
    for impression in truth.impressions.values():
        cells[_position_cell(impression)].add("scores", round(impression["predicted_score"] * 1e6))
    for impression_id in {row["impression_id"] for measure, row in _in_window(truth) if measure in _ENGAGING}:
        cells[_position_cell(truth.impressions[impression_id])].add("engaged_impressions")
    return cells


def position_days(hours: Cells) -> Cells:
    """agg_ranker_position_daily by the same key with the day, summed over the hours of the day."""
    cells: Cells = defaultdict(Cell)
    for (*cell, hour), measured in hours.items():
        cells[*cell, _day(hour)].sums.update(measured.sums)
    return cells


def _position_cell(impression: Row) -> tuple[object, ...]:
    """The buckets of an impression; the bucket of a score is its lower end in tenths."""
    position = next(first for first in POSITIONS if first <= impression["feed_position"])
    tenths = max(0, min(9, round(impression["predicted_score"] * 1e6) // 100_000))
    model_id, surface, hour = _ranker_cell(impression)
    return model_id, surface, position, tenths, hour


def _ranker_cell(impression: Row) -> tuple[object, ...]:
    return impression["ranker_model_id"], impression["surface"], impression_hour(impression["impression_id"])


def _ranker_viewer_cell(impression: Row) -> tuple[object, ...]:
    return impression["viewer_id"], impression["ranker_model_id"], _day(impression_hour(impression["impression_id"]))


def post_days(hours: Cells) -> Cells:
    """mart_post_engagement_daily by (post, day), summed over the hours of the day."""
    cells: Cells = defaultdict(Cell)
    for (post_id, hour), cell in hours.items():
        day = cells[post_id, _day(hour)]
        day.sums.update(cell.sums)
        day.viewers |= cell.viewers
    return {key: cell for key, cell in cells.items() if cell.sums["impressions"]}


def viewer_days(truth: Truth) -> Cells:
    """mart_user_affinity_daily by (viewer, day)."""
    cells: Cells = defaultdict(Cell)
    for impression in truth.impressions.values():
        day = _day(impression_hour(impression["impression_id"]))
        cells[impression["viewer_id"], day].add_impression(impression["viewer_id"])
    for row in settled(truth):
        cells[row["viewer_id"], _day(row["event_ts"])].add("engagements")
    for impression_id, dwell in truth.dwell.items():
        cells[dwell.viewer_id, _day(impression_hour(impression_id))].add_dwell(dwell)
    _add_audio(truth, cells)
    return cells


def _add_audio(truth: Truth, cells: Cells) -> None:
    """Add dwell by the audio that the post had when it was shown."""
    versions = versions_by_key(truth.changes["posts"])
    for impression, dwell in _watched_impressions(truth):
        audio = payload_at(versions.get(impression["post_id"], ()), impression["impression_ts"]).get("audio_id")
        if audio is not None:
            day = _day(impression_hour(impression["impression_id"]))
            cells[dwell.viewer_id, day].audio_ms[audio] += dwell.dwell_ms


def top_audio(cell: Cell) -> int | None:
    """The audio with the most dwell; ties go to the smallest id; None without audio."""
    return min(cell.audio_ms, key=lambda audio: (-cell.audio_ms[audio], audio), default=None)


def average_dwell(cell: Cell) -> int:
    """Milliseconds per impression with dwell, rounded half up; 0 without dwell."""
    count = cell.sums["dwell_count"]
    return (2 * cell.sums["dwell_ms_sum"] + count) // (2 * count) if count else 0


def rate(cell: Cell, measure: str) -> str:
    """A measure divided by impressions, rounded half up to 5 places, at most 99.99999."""
    exact = Decimal(cell.sums[measure]) / Decimal(cell.sums["impressions"])
    return str(min(exact.quantize(Decimal("0.00001"), ROUND_HALF_UP), _RATE_LIMIT))


def _day(us: object) -> int:
    if not isinstance(us, int):
        raise TypeError(f"not a time in microseconds: {us!r}")
    return us - us % DAY_US
