"""What simulated ads are made of: one frozen value with every knob."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from etl.errors import ConfigError
from etl.sources.stamps import HOUR_US, to_us


@dataclass(frozen=True)
class AdsScenario:
    """Simulated ads. Shares are fractions of 1; the same scenario always gives the same bytes.

    Raises ConfigError when the range is empty or not whole hours, or there is nobody to show an ad to.
    """

    start: datetime
    """First landed hour, inclusive."""
    end: datetime
    """Last landed hour, exclusive. What would land at or after it is never written."""
    impressions_per_hour: int
    """Ad impressions in each busy hour; everything else follows from them."""
    seed: int
    """Chooses one among all with the same knobs."""
    busy: tuple[int, ...] = ()
    """Indexes of the hours that have traffic; none given: all."""
    users: int = 400
    """People who look at ads."""
    hot_share: float = 0.2
    """Of impressions, those of the one hot ad."""
    late_share: float = 0.03
    """Of impressions, clicks and page events, those that land in a later hour than they happened in."""
    repeat_share: float = 0.05
    """Of all records, those delivered more than once."""

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
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
        """How many landed hours there are."""
        return (to_us(self.end) - self.start_us) // HOUR_US

    @property
    def busy_hours(self) -> tuple[int, ...]:
        """Indexes of the hours that have traffic, in order."""
        return tuple(sorted(self.busy)) or tuple(range(self.hours))

    def index(self, us: int) -> int:
        """The index of the hour that a moment lies in."""
        return (us - self.start_us) // HOUR_US
