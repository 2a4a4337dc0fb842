"""Sessions with their page events, impressions and clicks, and the conversions that follow, hour by hour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

from etl.sources.landing_writer import Row
from etl.sources.stamps import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from etl.subjects.ads.simulate.outcomes import Outcomes
from etl.subjects.ads.simulate.scenario import AdsScenario
from etl.subjects.ads.simulate.world import AD_ID, ADS, HOT_AD

MS = 1_000
EVENTS = ("page_events", "ad_impressions", "ad_clicks", "conversions")
USER_ID = 6_100_000_000
BOT = USER_ID - 1
"""A bot that clicks once every minute."""
_DEVICES = ("phone", "tablet", "desktop", None)
_REGIONS = ("EU", "US", "APAC", None)
_SURFACES = ("feed", "reels", "stories", "explore")
_DELAYS = (5 * MINUTE_US, HOUR_US, DAY_US - MS, DAY_US, 3 * DAY_US - MS, 3 * DAY_US, 7 * DAY_US - MS, 7 * DAY_US)
"""Time from a touch to a conversion, with the limits of every window to the millisecond."""
_REPORT_DELAYS = ((0.8, 2 * MINUTE_US), (0.9, 6 * DAY_US), (1.0, 8 * DAY_US + HOUR_US))
"""(cumulative odds, time from a conversion to its report)."""


@dataclass
class Traffic:
    """The records of one hour by event."""

    records: dict[str, list[Row]] = field(default_factory=lambda: {e: [] for e in EVENTS})

    def add(self, event: str, **fields: object) -> None:
        """Add one record. Fields that are None are left out, as gateways do."""
        self.records[event].append({name: value for name, value in fields.items() if value is not None})


class Generator:
    """Creates the traffic of one scenario. Ids continue from hour to hour."""

    def __init__(self, scenario: AdsScenario) -> None:
        self.scenario, self.rng = scenario, Random(scenario.seed)
        self.outcomes = Outcomes(scenario.seed)
        self.sessions, self.impressions = count(1_000), count(5_000_000)

    def hour(self, index: int) -> Traffic:
        """All traffic that starts in the hour with this index."""
        made, start = Traffic(), self.scenario.start_us + index * HOUR_US
        shown = 0
        while shown < self.scenario.impressions_per_hour:
            shown += self._session(made, start + self.rng.randrange(HOUR_US))
        self._bot(made, start)
        for _ in range(max(1, self.scenario.impressions_per_hour // 200)):
            self._convert(made, 10**6 + self.rng.randrange(10**6), start + self.rng.randrange(HOUR_US), 0, None)
        return made

    def _session(self, made: Traffic, start: int) -> int:
        """Add a session of up to 150 minutes, possibly across midnight. Returns its number of impressions."""
        rng, session = self.rng, next(self.sessions)
        user = USER_ID + min(rng.randrange(self.scenario.users), rng.randrange(self.scenario.users))
        length = int(rng.random() ** 3 * 150 * MINUTE_US) + SECOND_US
        device, region = rng.choice(_DEVICES), rng.choice(_REGIONS)
        for i, at in enumerate(sorted({start + rng.randrange(length) for _ in range(rng.randrange(2, 7))})):
            has_device = i == rng.randrange(3)
            made.add("page_events", user_id=user, session_id=session, event_name=rng.choice(("view", "click", "view")),
                     event_ts=at, device=device if has_device else None,
                     region=region if has_device else None)  # fmt: skip
        shown = rng.randrange(1, 12)
        for _ in range(shown):
            self._impression(made, user, session, start + rng.randrange(length))
        return shown

    def _impression(self, made: Traffic, user: int, session: int, at: int) -> None:
        rng, impression = self.rng, next(self.impressions)
        ad = HOT_AD if rng.random() < self.scenario.hot_share else AD_ID + rng.randrange(1, ADS + 1)
        cpm = rng.randrange(500, 9_000) / 1_000
        made.add("ad_impressions", ad_impression_id=impression, user_id=user, ad_id=ad,
                 session_id=session if rng.random() < 0.9 else None, surface=rng.choice(_SURFACES), clearing_cpm=cpm,
                 spend_micros=round(cpm * 1_000), is_valid=rng.random() < 0.97,
                 experiment_ids=[rng.randrange(9)] if rng.random() < 0.2 else None, impression_ts=at)  # fmt: skip
        if rng.random() < 0.08:
            self._click(made, user, session, ad, impression, at + rng.randrange(SECOND_US, 40 * SECOND_US))
        elif rng.random() < 0.02:
            self._convert(made, user, at, rng.choice(_DELAYS[:4]), ad)

    def _click(self, made: Traffic, user: int, session: int, ad: int, impression: int, at: int) -> None:
        twice = at + self.rng.randrange(1, SECOND_US)
        for when in (at, twice) if self.rng.random() < 0.1 else (at,):
            made.add("ad_clicks", ad_id=ad, user_id=user, session_id=session, click_ts=when,
                     ad_impression_id=impression)  # fmt: skip
        if self.rng.random() < 0.25:
            self._convert(made, user, at, self.rng.choice(_DELAYS), ad)

    def _bot(self, made: Traffic, start: int) -> None:
        session = next(self.sessions)
        for minute in range(40):
            made.add("ad_clicks", ad_id=AD_ID + 2, user_id=BOT, session_id=session,
                     click_ts=start + minute * MINUTE_US)  # fmt: skip

    def _convert(self, made: Traffic, user: int, touch_us: int, delay: int, ad: int | None) -> None:
        """Add a conversion after a touch of an ad, or after none, and the other reports of it."""
        at, draw = touch_us + delay, self.rng.random()
        report_delay = next(wait for odds, wait in _REPORT_DELAYS if draw < odds)
        value = self.rng.randrange(1, 20_000) / 100
        for report in self.outcomes.reports(user, at, at + report_delay, value, ad):
            made.add("conversions", **report)


def happened(event: str, row: Row) -> int:
    """The time at which a record is sent, in microseconds since 1970, before any lateness."""
    moment: int = row[{"page_events": "event_ts", "ad_impressions": "impression_ts", "ad_clicks": "click_ts",
                       "conversions": "received_ts"}[event]]  # fmt: skip
    return moment


def repeated(rng: Random, share: float, rows: list[Row]) -> Iterator[Row]:
    """A random share of the rows, to be delivered again."""
    return (row for row in rows if rng.random() < share)
