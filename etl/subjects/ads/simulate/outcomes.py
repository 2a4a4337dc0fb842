"""What a conversion reports: its advertiser, event and source; and outcomes that are reported more than once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random

from etl.sources.landing_writer import Row
from etl.sources.stamps import HOUR_US, MINUTE_US
from etl.subjects.ads.simulate.world import ADVERTISER_ID, ZONES, advertiser_of, campaign_of

MS = 1_000
UNKNOWN_ADVERTISER = ADVERTISER_ID + 99
_EVENTS = (None, None, None, "purchase", "sign_up", "install")
_SOURCES = ("pixel", "sdk", "offline", None)
_AGAIN = ((3 * MINUTE_US,), (48 * HOUR_US - MS,), (48 * HOUR_US,), (40 * HOUR_US, 80 * HOUR_US))
"""Times after the first report at which an outcome is reported again: within 48 hours, just not, and in a series."""


class Outcomes:
    """Creates the reports of conversions, with draws of its own, so that all other traffic stays as it is."""

    def __init__(self, seed: int) -> None:
        self.rng, self.ids = Random(seed + 2), count(800_000)

    def reports(self, user: int, at: int, received: int, value: float, ad: int | None) -> Iterator[Row]:
        """One report of an outcome of a user, and sometimes more reports of it by a server."""
        rng, event = self.rng, self.rng.choice(_EVENTS)
        outcome: Row = {
            "advertiser_id": self._advertiser(ad), "event_name": event,
            "value_usd": value if event in (None, "purchase") or rng.random() < 0.5 else None,
        }  # fmt: skip
        has_key = rng.random() < 0.4
        first = {"conversion_id": next(self.ids), "user_id": user if rng.random() < 0.97 else None,
                 "source": rng.choice(_SOURCES), "conversion_ts": at, "received_ts": received}  # fmt: skip
        key = {"dedup_key": f"order-{first['conversion_id']}"} if has_key else {}
        yield outcome | key | first
        for later in rng.choice(_AGAIN) if has_key and rng.random() < 0.5 else ():
            again = {"conversion_id": next(self.ids), "user_id": rng.choice((user, None)), "source": "server",
                     "conversion_ts": at + later, "received_ts": received + later + rng.choice((0, MS))}  # fmt: skip
            yield outcome | key | again

    def _advertiser(self, ad: int | None) -> int:
        """Mostly the advertiser of the ad, sometimes another one, seldom one that nobody knows."""
        draw = self.rng.random()
        if draw < 0.05:
            return UNKNOWN_ADVERTISER
        if ad is None or draw < 0.2:
            return ADVERTISER_ID + self.rng.randrange(len(ZONES))
        return advertiser_of(campaign_of(ad))
