"""An hour of ads with edge cases that a simulation rarely has: ties, limits, unknown owners and corrections."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Row = dict[str, Any]
START, END = datetime(2026, 6, 1, 10, tzinfo=UTC), datetime(2026, 6, 9, 1, tzinfo=UTC)
NEXT, LOCK = START + timedelta(hours=1), datetime(2026, 6, 9, tzinfo=UTC)
AD, OTHER_AD, THIRD_AD, AD_WITHOUT_OWNER, DELETED_AD, UNKNOWN_AD, MOVING_AD = range(100, 107)


def _at(clock: str) -> str:
    """An instant from MM:SS[.ffffff] of the hour, or from a full ISO timestamp."""
    return clock if "T" in clock else f"2026-06-01T10:{clock}+00:00"


def _upsert(**state: Any) -> Row:
    return {"effective_ts": "2026-05-01T00:00:00+00:00", "op": "upsert", **state}


def _ad(ad_id: int, campaign_id: int) -> Row:
    return _upsert(ad_id=ad_id, creative_id=10 * ad_id, campaign_id=campaign_id)


def _campaign(campaign_id: int, advertiser_id: int) -> Row:
    how = {"objective": "sales", "bid_strategy": "lowest_cost", "daily_budget_usd": 5}
    return _upsert(campaign_id=campaign_id, advertiser_id=advertiser_id, **how)


def _advertiser(advertiser_id: int, time_zone: str, **more: Any) -> Row:
    windows = {"click_window_days": 7, "view_window_days": 1}
    return _upsert(advertiser_id=advertiser_id, time_zone=time_zone, **windows, **more)


def _click(user: int, clock: str, ad: int = AD, session: int = 0, **more: Any) -> Row:
    return {"ad_id": ad, "user_id": user, "session_id": session or 1000 + user, "click_ts": _at(clock), **more}


def _view(number: int, user: int, clock: str, ad: int = AD, micros: int = 5000, valid: bool = True) -> Row:
    return {
        "ad_impression_id": number, "user_id": user, "ad_id": ad, "surface": "feed", "clearing_cpm": micros / 1000,
        "spend_micros": micros, "is_valid": valid, "impression_ts": _at(clock),
    }  # fmt: skip


def _bought(number: int, user: int, clock: str, received: str = "", usd: float = 1.25, **more: Any) -> Row:
    when = {"conversion_ts": _at(clock), "received_ts": received or _at(clock)}
    return {"conversion_id": number, "advertiser_id": 1, "user_id": user, "value_usd": usd, **when, **more}


def _page(user: int, clock: str, name: str = "view", **fields: str) -> Row:
    return {"user_id": user, "session_id": 1000 + user, "event_name": name, "event_ts": _at(clock), **fields}


OWNERS = {
    "advertisers": [
        _advertiser(1, "UTC"), _advertiser(3, "UTC"), _advertiser(3, "America/New_York", effective_ts=_at("30:00")),
    ],
    "campaigns": [_campaign(10, 1), _campaign(11, 1), _campaign(12, 2), _campaign(13, 3)],
    "ads": [
        _ad(AD, 10), _ad(OTHER_AD, 10), _ad(THIRD_AD, 11), _ad(AD_WITHOUT_OWNER, 12), _ad(DELETED_AD, 10),
        _ad(MOVING_AD, 13),
        _upsert(ad_id=DELETED_AD, effective_ts=_at("30:00"), op="delete"),
    ],
}  # fmt: skip

# User 1 makes 30 clicks and user 2 makes 31 (the limit is 30); clicks one second apart, to the microsecond; one instant
# in two sessions.
TRAFFIC = [
    *[_click(1, f"{i // 6:02}:{i % 6}0") for i in range(30)],
    *[_click(2, f"{i // 6:02}:{i % 6}0") for i in range(31)],
    _click(3, "10:00"), _click(3, "10:01"), _click(3, "10:01.999999"), _click(3, "10:01", session=4),
]  # fmt: skip

# A session reports device and region late, and changes the device; clicks before, at and after these reports.
SESSION_REPORTS = [
    _page(4, "20:00"), _page(4, "20:10", device="phone", region="EU"), _page(4, "20:20", "click"),
    _page(4, "20:30", device="tablet"),
]  # fmt: skip
CLICKS_AROUND_REPORTS = [_click(4, f"20:{seconds}") for seconds in ("05", "10", "29", "40")]

# The advertiser of one ad changes between its views, and its days are locked four hours later.
# Touches at one instant, at the instant of the conversion, of an ad without owner, of a deleted ad; one session id of
# two users.
TOUCHES = [
    _click(6, "26:00"), _click(6, "26:00", OTHER_AD), _click(7, "27:00", AD_WITHOUT_OWNER),
    _click(8, "35:00", DELETED_AD),
    _click(9, "28:00", OTHER_AD, 1006), _click(9, "29:00"), _click(10, "40:00", ad_impression_id=20),
]  # fmt: skip
VIEWS = [
    _view(10, 5, "25:00", OTHER_AD, 4999), _view(9, 5, "25:00"), _view(11, 7, "26:30", UNKNOWN_AD),
    _view(12, 9, "29:00"), _view(13, 9, "29:00", micros=5001), _view(14, 4, "31:00", THIRD_AD, 50_000),
    _view(15, 4, "32:00", THIRD_AD, 20_000, valid=False),
    _view(16, 4, "29:59", MOVING_AD), _view(17, 4, "31:00", MOVING_AD),
]  # fmt: skip
OUTCOMES = [
    _bought(5, 5, "25:00"), _bought(6, 6, "30:00"), _bought(7, 7, "30:00"), _bought(8, 8, "35:01"),
    _bought(10, 10, "40:00"), _bought(20, 6, "30:01", advertiser_id=3), _bought(21, 6, "30:02", advertiser_id=99),
    *[_bought(30 + i, 6, f"31:0{i}", f"2026-06-01T10:3{9 - i}:00+00:00", dedup_key="order") for i in range(3)],
    _bought(33, 6, "31:05", "2026-06-01T10:31:05+00:00", dedup_key="order", event_name="sign_up"),
    _bought(34, 16, "28:00", advertiser_id=3, event_name="lead"),
]  # fmt: skip
INVOICES = [
    {"campaign_id": 10, "day": "2026-06-01", "billed_usd": 9.99, "streaming_usd": 0.02},
    {"campaign_id": 11, "day": "2026-06-01", "billed_usd": 0.07},
    {"campaign_id": 11, "day": "2026-06-02", "billed_usd": 0.01},
]

# Session ids that live longer than a visit: seen or not in the last six hours of a day; clicks six hours later.
NIGHT = datetime(2026, 6, 2, 7, tzinfo=UTC)
LONG = {
    "page_events": [
        _page(11, "50:00", device="phone"), _page(11, "2026-06-01T20:00:00+00:00", device="tablet"),
        _page(11, "2026-06-02T01:00:00+00:00", device="desktop"),
        _page(11, "2026-06-02T07:00:00+00:00", device="phone"),
        _page(12, "2026-06-01T17:59:59.999999+00:00"), _page(12, "2026-06-02T05:00:00+00:00"),
        _page(13, "2026-06-01T18:00:00+00:00"), _page(13, "2026-06-02T05:59:59.999999+00:00"),
        _page(13, "2026-06-02T06:00:00+00:00"),
    ],
    "ad_clicks": [_click(11, f"2026-06-01T16:{at}+00:00") for at in ("49:59.999999", "50:00")]
    + [_click(11, "2026-06-02T07:00:01+00:00")],
    "conversions": [_bought(13, 11, "2026-06-01T16:50:00.500000+00:00", "2026-06-02T07:00:00+00:00")],
}  # fmt: skip

# Corrections one hour later: the first landed record is kept. Also conversions around the lock of a day.
AGAIN = {
    "ad_clicks": [_click(10, "40:00")],
    "conversions": [_bought(6, 6, "30:00", usd=7.75)],
    "spend_ledger": [{"campaign_id": 10, "day": "2026-06-01", "billed_usd": 1.11}],
}
LATE = {
    "conversions": [
        _bought(11, 10, "45:00", (LOCK - timedelta(microseconds=1)).isoformat()),
        _bought(12, 10, "45:00", LOCK.isoformat()),
    ]
}


def land(landing: Path) -> None:
    """Write all records as JSON Lines."""
    events = {
        "ad_clicks": TRAFFIC + CLICKS_AROUND_REPORTS + TOUCHES,
        "page_events": SESSION_REPORTS,
        "ad_impressions": VIEWS,
    }
    first = OWNERS | events | {"conversions": OUTCOMES, "spend_ledger": INVOICES}
    for hour, landed in ((START, first), (NEXT, AGAIN), (NIGHT, LONG), (LOCK, LATE)):
        for event, rows in landed.items():
            folder = landing / event / f"hour={hour:%Y-%m-%dT%H}"
            folder.mkdir(parents=True)
            (folder / "edges.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
