"""What a simulated feed is made of: one frozen value with every knob."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from etl.errors import ConfigError
from etl.sources.stamps import HOUR_US, to_us

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Scenario:
    """One simulated feed. Shares are fractions of 1; the same scenario always gives the same bytes.

    Raises ConfigError when the range is not whole UTC hours or a share cannot be.
    """

    start: datetime
    """First landed hour, inclusive."""
    end: datetime
    """Last landed hour, exclusive. What would land at or after it is never written."""
    impressions_per_hour: int
    """Impressions served in each hour; everything else follows from them."""
    seed: int
    """Chooses one feed among all those with the same knobs."""
    partitions: int = 4
    """Log partitions, 1 to 1024; a viewer always has the same one."""
    viewers: int = 2_000
    """People who watch; their activity is Zipf-distributed."""
    posts: int = 1_500
    """Posts that exist at the start; reshares add more. At least 100."""
    creators: int = 400
    """Accounts that post; the first is the celebrity. At least 10."""
    celebrity_share: float = 0.05
    """Of impressions, those of the celebrity's newest post."""
    toxic_share: float = 0.07
    """Of impressions, those of a post that viewers hide and report from the second hour on."""
    hot_viewer_share: float = 0.02
    """Of impressions, those of the one viewer who never stops scrolling."""
    late_share: float = 0.02
    """Of facts, those that land in a later hour than they happened in."""
    repeat_share: float = 0.02
    """Of facts, those delivered more than once. Change logs repeat five times as often."""
    bad_share: float = 0.004
    """Of an event's records in a landed hour, those that must be quarantined; under 0.005, rounded down."""
    lift: float = 0.3
    """How much more, relatively, the newer ranker earns in likes and dwell."""

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
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
        """How many landed hours there are."""
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
