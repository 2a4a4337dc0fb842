"""The parameters of simulated ads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from etl.errors import ConfigError
from etl.sources.stamps import HOUR_US, to_us


@dataclass(frozen=True)
class AdsScenario:
    """The parameters of simulated ads. Shares are fractions of 1. Equal scenarios give equal bytes.

    Raises ConfigError when the interval is empty or not whole UTC hours, or with too few users or impressions.
    """

    start: datetime
    """First landed hour, inclusive."""
    end: datetime
    """End of the landed hours, exclusive. Records that would land at or after it are not written."""
    impressions_per_hour: int
    """Ad impressions in each hour with traffic. All other numbers follow from it."""
    seed: int
    """The random seed. Another seed gives other records with the same parameters."""
    busy: tuple[int, ...] = ()
    """Indexes of the hours with traffic; empty means all hours."""
    users: int = 400
    """Number of users."""
    hot_share: float = 0.2
    """Share of the impressions that show the most popular ad."""
    late_share: float = 0.03
    """Share of impressions, clicks and page events that land in a later hour than they happened in."""
    repeat_share: float = 0.05
    """Share of all records that are delivered more than once."""

    def __post_init__(self) -> None:
        """Raise ConfigError for parameters that cannot be simulated."""
        if self.end <= self.start or to_us(self.start) % HOUR_US or to_us(self.end) % HOUR_US:
            raise ConfigError(f"{self.start} to {self.end} is no range of whole UTC hours")
        if self.impressions_per_hour < 1 or self.users < 10:
            raise ConfigError("give at least 1 impression an hour and 10 users")

    @property
    def start_us(self) -> int:
        """Microseconds since 1970 of the first landed hour."""
        return to_us(self.start)

    @property
    def hours(self) -> int:
        """The number of landed hours."""
        return (to_us(self.end) - self.start_us) // HOUR_US

    @property
    def busy_hours(self) -> tuple[int, ...]:
        """Sorted indexes of the hours with traffic."""
        return tuple(sorted(self.busy)) or tuple(range(self.hours))

    def index(self, us: int) -> int:
        """The index of the hour that contains a time (microseconds since 1970)."""
        return (us - self.start_us) // HOUR_US
