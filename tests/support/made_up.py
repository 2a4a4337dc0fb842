"""A made-up health of a lake: two model versions, a missing hour, a closed gate, and a hostile caption."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from etl import catalog
from etl.engine.quality.completeness import FEW_RECORDS, NO_FILES, LandedHour
from etl.engine.state.entry import Entry
from etl.reports.freshness import Freshness
from etl.reports.headroom import Headroom
from etl.reports.health import Health
from etl.reports.operations import Cost, Gate, Skew
from etl.reports.waiting import Waiting
from etl.subjects.ads.dashboard import health as ads_health
from etl.subjects.ads.dashboard.health import Ads
from etl.subjects.feed.dashboard import health as feed_health
from etl.subjects.feed.dashboard.health import Feed, Ingest, Ranker, Safety
from etl.subjects.feed.dashboard.heartbeats import Heartbeats
from support.rows import at

START, END = at("00:00"), at("00:00", day=2)
MISSING = at("07:00")
HOSTILE = "<script>document.title = 'taken'</script>$x$"
FACTS = ("fct_impressions", "fct_engagements", "fct_shares", "fct_dwell_per_impression")
Row = dict[str, Any]


def hours() -> list[datetime]:
    """The landed hours."""
    whole = [START + timedelta(hours=i) for i in range(24)]
    return [h for h in whole if h != MISSING]


def _served(semver: str, impressions: int, likes: int) -> Row:
    return {
        "model_semver": semver, "impressions": impressions, "viewers": impressions // 3, "likes": likes,
        "saves": likes // 3, "negatives": impressions // 250, "regrets": likes // 30,
        "likes_given": likes + likes // 20,
        "dwell_ms_sum": impressions * 6_100 + likes, "dwell_count": impressions * 9 // 10,
    }  # fmt: skip


def ranker() -> Ranker:
    """v3.2 earns more likes than v3.1."""
    by_hour = [
        _served(semver, 4000 + 40 * i, likes + i) | {"hour": hour}
        for semver, likes in (("v3.1", 260), ("v3.2", 330))
        for i, hour in enumerate(hours())
    ]
    versions = []
    for semver, likes in (("v3.1", 6000), ("v3.2", 7600)):
        row = _served(semver, 96_000, likes)
        own = [h for h in by_hour if h["model_semver"] == semver]
        versions.append(row | {"first_deployed": START} | feed_health.rates(row) | feed_health.dwell(own))
    return Ranker(versions, [row | feed_health.rates(row) for row in by_hour])


def _landed(accepted: int, place: int) -> Row:
    return {
        "impressions": accepted // 2, "accepted": accepted, "quarantined": accepted // 300, "facts": accepted - 100,
        "late": accepted // 50 + place, "lag_p50": 1700 + place, "lag_p90": 3300, "lag_p99": 6900 + 60 * place,
    }  # fmt: skip


def ingest() -> Ingest:
    """A feed without anomalies."""
    by_hour = [_landed(16_000 + 90 * i, i) | {"hour": hour} for i, hour in enumerate(hours())]
    posts = (
        _landed(2_000, 0) | {"event": "posts", "facts": 0, "late": 0} | dict.fromkeys(("lag_p50", "lag_p90", "lag_p99"))
    )
    events = [_landed(300_000, 0) | {"event": None}, _landed(190_000, 0) | {"event": "impressions"}, posts]
    busiest = [
        {"post_id": 900 + i, "hour": hours()[-1], "impressions": 2400 // (i + 1), "share": 0.3 / (i + 1)}
        for i in range(10)
    ]
    skews = [Skew(catalog.entry(name).table, 1.02 + 0.05 * i, 4, 50_000) for i, name in enumerate(FACTS)]
    return Ingest(by_hour, events, Heartbeats(2_004_000, 2_000_000, 4_000, 80_000), busiest, skews, 0.01)


def safety() -> Safety:
    """The negative rate of one post rises at 09:00. Its caption and the handle of its creator contain markup."""
    turned = {"post_id": 900, "hour": at("09:00"), "rise": 0.008}
    queue = [turned | {"impressions": 2400, "negatives": 22, "negative_rate": 0.00917}]
    described = {900: {"post_id": 900, "handle": f"@{HOSTILE}", "caption": HOSTILE}}
    by_hour = [
        {"hour": h, "judged": 6, "over_floor": int(h >= at("09:00")), "negative_p99": 0.0087, "report_p99": 0.0031}
        for h in hours()
    ]
    posts = [{"post_id": 900, "hour": h, "negative_rate": 0.0012 if h < at("09:00") else 0.00917} for h in hours()]
    return Safety(queue, described, by_hour, turned, posts)


def feed(**changes: Any) -> Feed:
    """The three sections of the feed."""
    return replace(Feed(ranker(), ingest(), safety()), **changes)


def landed_hours() -> dict[str, dict[datetime, LandedHour]]:
    """Impressions are complete, shares are late in two hours, and creators have no records, as usual."""
    whole = {h: LandedHour(h, 4, 12_000, 11_900) for h in hours()}
    late = {at("10:00"): LandedHour(at("10:00"), 0, 0, 340, NO_FILES),
            at("11:00"): LandedHour(at("11:00"), 1, 12, 340, FEW_RECORDS)}  # fmt: skip
    shares = {h: LandedHour(h, 2, 333, 340) for h in hours()} | late
    return {"impressions": whole, "shares": shares, "creators": {h: LandedHour(h, 0, 0, 0) for h in hours()}}


def explanations(invoice: str, streaming: str) -> Row:
    """The two explanation columns of a spend row."""
    return {"explanation": invoice, "streaming_explanation": streaming}


def ads() -> Ads:
    """One day of two campaigns, both unlocked. The first overspends, and a dollar of its invoice is unexplained."""
    day, locked = START.date(), at("00:00", day=9)
    clicks = [{"hour": h, "valid": 40 + i, "invalid": 2} for i, h in enumerate(hours())]
    top = [{"ad_id": 700 + i, "ad_clicks": 90 // (i + 1), "users": 80 // (i + 1), "sessions": 85} for i in range(3)]
    cell = {"sessions_ad_clicked": 50, "sessions_converted": 5}
    usd: Row = {n: Decimal("30.00") for n in ("batch_usd", "campaign_usd", "ad_usd")}
    usd |= {"billed_usd": None, "streaming_usd": None, "unallocated_usd": Decimal(0), "difference_usd": None}
    billed = {n: Decimal("31.00") for n in ("billed_usd", "campaign_usd")} | {"streaming_usd": Decimal("29.50")}
    billed |= {n: Decimal("1.00") for n in ("unallocated_usd", "difference_usd")}
    spend = [
        {"campaign_id": 5, "day": day, **usd, **billed, **explanations("unallocated", "agrees")},
        {"campaign_id": 6, "day": day, **usd, **explanations("no_invoice", "no_counter")},
    ]
    earned = {"spend_usd": Decimal("30.00"), "value_usd": Decimal("45.00"), "locked_from": locked, "is_final": False}
    pace = [
        {"campaign_id": campaign, "local_hour": h, "spent_usd": Decimal(h + 1) * rate,
         "daily_budget_usd": Decimal(24), "even_usd": Decimal(h + 1)}
        for campaign, rate in ((5, Decimal("1.25")), (6, Decimal("0.5")))
        for h in range(24)
    ]  # fmt: skip
    conversions = [{"day": day, "conversions": 20, "click": 12, "view": 3, "organic": 5}]
    return Ads(
        days=ads_health.days((START, END)), clicks=clicks, top=top,
        delivered=[{"impressions": 20_000, "ad_clicks": 1_196, "viewers": 4_000}], sessions=[cell, cell], spend=spend,
        unknown=[{"impressions": 0, "ads": 0, "usd": Decimal(0)}],
        roas=[earned, earned], final_days=ads_health.final_days((START, END)), final_roas=[], conversions=conversions,
        received=[{"received": 21, "too_late": 2, "too_late_attributed": 1, "repeats": 3}], pace_day=day, pace=pace,
    )  # fmt: skip


def made_up(**changes: Any) -> Health:
    """The health of a lake with the feed. The gate of fct_shares is closed, and its reason contains markup.

    `changes` replaces fields of Health.
    """
    failure = {"rule": "key()", "severity": "critical", "reason": HOSTILE, "count": 3, "of": 90, "error": ""}
    tables = catalog.tables()
    judged = {
        t.name: Entry("20260602T000500-abc123", t.name, at("00:05", day=2), seconds=12.5, rules=9) for t in tables
    }
    gates = [Gate(t, "passed", judged[t.name], []) for t in tables if t.name != "fct_shares"]
    gates.append(Gate(catalog.entry("fct_shares").table, "failed", judged["fct_shares"], [failure]))
    hourly = [t for t in tables if t.hour and not t.daily and t.name != "quarantine"]
    given: Row = {
        "lake": "file:///lake",
        "interval": (START, END),
        "subjects": ["feed"],
        "parts": {"feed": feed()},
        "gates": gates,
        "landed": hours()[-1],
        "freshness": [Freshness(t, hours()[-1], 2 if t.name == "fct_shares" else 0) for t in tables],
        "costs": [Cost(t, 24, 300.0 / (i + 1), 1000 * i) for i, t in enumerate(tables)],
        "runs": {f"20260601T{i:02}0500-abc123": 40.0 + i for i in range(24)},
        "coverage": {t.name: set(hours()) for t in hourly},
        "headroom": [Headroom(t, 4_000_000, 300.0 / (i + 1), 20.0 / (i + 1)) for i, t in enumerate(tables)],
        "waiting": [
            Waiting(catalog.entry("bronze_shares").table, tuple(hours()[-2:]), timedelta(hours=3), (hours()[-2],)),
            Waiting(catalog.entry("fct_dwell_per_impression").table, tuple(hours()[-1:]), timedelta(minutes=30)),
        ],
        "landed_hours": {"feed": landed_hours(), "ads": {}},
    }
    return Health(**given | changes)
