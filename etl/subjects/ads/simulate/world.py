"""Advertisers, campaigns and ads, and their edits, some in the middle of a day and some late-arriving.

There are four advertisers in four time zones with different click and view windows. Each has two campaigns. Every
campaign has three ads, except for the last one, which has none. The first ad is the most popular one.
"""

from __future__ import annotations

from collections.abc import Iterator

from etl.sources.landing_writer import Row
from etl.sources.stamps import DAY_US, HOUR_US, MINUTE_US
from etl.subjects.ads.simulate.scenario import AdsScenario

ZONES = ("UTC", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Kiritimati")
WINDOWS = ((28, 7), (7, 0), (1, 1), (3, 1))
"""(click window, view window) in days, by advertiser."""
CAMPAIGNS, ADS = 8, 21
ADVERTISER_ID, CAMPAIGN_ID, AD_ID, CREATIVE_ID = 10, 500, 7_000, 90_000
HOT_AD = AD_ID
_OBJECTIVES = (None, "sign_up", "purchase")
"""objective_event of campaigns, in turn. None is left out and means purchase."""

Change = tuple[str, Row, int]
"""(event, record, index of the landed hour)."""


def advertiser_of(campaign: int) -> int:
    """The advertiser of a campaign."""
    return ADVERTISER_ID + (campaign - CAMPAIGN_ID) // 2


def campaign_of(ad: int) -> int:
    """The campaign of an ad at the start."""
    return CAMPAIGN_ID + (ad - AD_ID) // 3


def changes(scenario: AdsScenario) -> Iterator[Change]:
    """The initial state, effective ten days before the start, then the edits."""
    since = scenario.start_us - 10 * DAY_US
    for i, zone in enumerate(ZONES):
        yield "advertisers", _advertiser(ADVERTISER_ID + i, zone, *WINDOWS[i], since), 0
    for i in range(CAMPAIGNS):
        yield "campaigns", _campaign(CAMPAIGN_ID + i, 50.0 + i, "lowest_cost", since, _OBJECTIVES[i % 3]), 0
    for i in range(ADS):
        yield "ads", _ad(AD_ID + i, CREATIVE_ID + i, campaign_of(AD_ID + i), since), 0
    for event, row, hour in _edits(scenario):
        if hour < scenario.hours:
            yield event, row, hour


def _edits(scenario: AdsScenario) -> Iterator[Change]:
    """Edits from the second hour with traffic on. An edit of an ad and an edit of an advertiser land two hours late."""
    busy = scenario.busy_hours
    first = scenario.start_us + busy[min(1, len(busy) - 1)] * HOUR_US
    hour = scenario.index(first)
    yield "campaigns", _campaign(CAMPAIGN_ID, 75.5, "cost_cap", first + 30 * MINUTE_US), hour
    yield "ads", _ad(AD_ID + 1, CREATIVE_ID + 100, CAMPAIGN_ID, first + 20 * MINUTE_US), hour
    yield "ads", _ad(AD_ID + 4, CREATIVE_ID + 4, CAMPAIGN_ID, first + 10 * MINUTE_US), hour + 2
    yield "ads", {"ad_id": AD_ID + 20, "effective_ts": first + 40 * MINUTE_US, "op": "delete"}, hour
    shorter = _advertiser(ADVERTISER_ID, ZONES[0], 3, 1, first + 2 * DAY_US)
    yield "advertisers", shorter, hour + 50


def _advertiser(advertiser_id: int, zone: str, clicks: int, views: int, since: int) -> Row:
    return {
        "advertiser_id": advertiser_id, "time_zone": zone, "click_window_days": clicks, "view_window_days": views,
        "effective_ts": since, "op": "upsert",
    }  # fmt: skip


def _campaign(campaign_id: int, budget: float, bid: str, since: int, event: str | None = None) -> Row:
    return ({} if event is None else {"objective_event": event}) | {
        "campaign_id": campaign_id, "advertiser_id": advertiser_of(campaign_id), "objective": "sales",
        "bid_strategy": bid, "daily_budget_usd": budget, "effective_ts": since, "op": "upsert",
    }  # fmt: skip


def _ad(ad_id: int, creative_id: int, campaign_id: int, since: int) -> Row:
    return {
        "ad_id": ad_id, "creative_id": creative_id, "campaign_id": campaign_id, "effective_ts": since, "op": "upsert",
    }  # fmt: skip
