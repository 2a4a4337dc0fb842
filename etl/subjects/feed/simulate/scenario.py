"""The parameters of a simulated feed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from etl.errors import ConfigError
from etl.sources.stamps import HOUR_US, to_us

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Scenario:
    """The parameters of a simulated feed. Shares are fractions of 1. Equal scenarios give equal bytes.

    Raises ConfigError when the interval is not whole UTC hours, or when a parameter is out of its range.
    """

    start: datetime
    """First landed hour, inclusive."""
    end: datetime
    """End of the landed hours, exclusive. Records that would land at or after it are not written."""
    impressions_per_hour: int
    """Impressions served in each hour. All other numbers follow from it."""
    seed: int
    """The random seed. Another seed gives another feed with the same parameters."""
    partitions: int = 4
    """Number of log partitions, 1 to 1024. A viewer always has the same partition."""
    viewers: int = 2_000
    """Number of viewers. Their activity is Zipf-distributed."""
    posts: int = 1_500
    """Number of posts at the start, at least 100. Shares add more."""
    creators: int = 400
    """Number of accounts that post, at least 10. The first one is the celebrity."""
    celebrity_share: float = 0.05
    """Share of the impressions that show the latest post of the celebrity."""
    toxic_share: float = 0.07
    """Share of the impressions that show the post that viewers hide and report from the second hour on."""
    hot_viewer_share: float = 0.02
    """Share of the impressions of the most active viewer."""
    late_share: float = 0.02
    """Share of the facts that land in a later hour than they happened in."""
    repeat_share: float = 0.02
    """Share of the facts that are delivered more than once. For changes, it is five times as high."""
    bad_share: float = 0.004
    """Share of the records of an event and landed hour that must be quarantined; under 0.005, rounded down."""
    lift: float = 0.3
    """Relative lift of likes and dwell with the newer ranker."""

    def __post_init__(self) -> None:
        """Raise ConfigError for parameters that cannot be simulated."""
        for name in ("start", "end"):
            _check_whole_hour(name, getattr(self, name))
        if self.end <= self.start:
            raise ConfigError(f"end {self.end} is not after start {self.start}: give at least one hour")
        for name, low, high in _RANGES:
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} is {getattr(self, name)}: it must lie in {low} to {high}")

    @property
    def start_us(self) -> int:
        """Microseconds since 1970 of the first landed hour."""
        return to_us(self.start)

    @property
    def end_us(self) -> int:
        """Microseconds since 1970 of the end of the last landed hour."""
        return to_us(self.end)

    @property
    def hours(self) -> int:
        """The number of landed hours."""
        return (self.end_us - self.start_us) // HOUR_US

    def hour_us(self, index: int) -> int:
        """The start of the landed hour with this index, in microseconds since 1970."""
        return self.start_us + index * HOUR_US


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("impressions_per_hour", 1, 50_000_000),
    ("seed", 0, 2**63),
    ("partitions", 1, 1024),
    ("viewers", 2, 500_000_000),
    ("posts", 100, 50_000_000),
    ("creators", 10, 50_000_000),
    ("celebrity_share", 0, 0.4),
    ("toxic_share", 0, 0.4),
    ("hot_viewer_share", 0, 0.9),
    ("late_share", 0, 0.5),
    ("repeat_share", 0, 0.1),
    ("bad_share", 0, 0.00499),
    ("lift", -0.9, 5),
)


def _check_whole_hour(name: str, moment: datetime) -> None:
    if moment.tzinfo is None:
        raise ConfigError(f"{name} {moment} has no offset: write it in UTC, e.g. 2026-06-01T10:00+00:00")
    if (moment - datetime(1970, 1, 1, tzinfo=UTC)) % _HOUR:
        raise ConfigError(f"{name} {moment} is not a whole UTC hour")
