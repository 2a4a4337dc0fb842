"""The true facts of ads: what a correct pipeline must compute, in plain Python.

`run` adds a record to the truth when the record is sure to land. A duplicate changes nothing.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from zoneinfo import ZoneInfo

from etl.sources.landing_writer import Row
from etl.sources.stamps import DAY_US, HOUR_US, SECOND_US, hour_of, to_datetime, to_us
from etl.sources.truth_versions import Version, payload_at, versions_by_key

KEYS = {"ads": "ad_id", "campaigns": "campaign_id", "advertisers": "advertiser_id"}
CENTS = Decimal("0.01")
MAX_CLICKS_PER_HOUR = 30
SESSION_US, REPEAT_US = 6 * HOUR_US, 48 * HOUR_US


@dataclass
class Spend:
    """The spend of a campaign on one day: micros of valid impressions by ad, and micros of invalid impressions."""

    micros: Counter[int] = field(default_factory=Counter)
    invalid_micros: int = 0

    @property
    def batch(self) -> Decimal:
        """Spend on valid impressions, to the cent."""
        return cents(sum(self.micros.values()))

    @property
    def invalid(self) -> Decimal:
        """Spend on invalid impressions, to the cent."""
        return cents(self.invalid_micros)


def cents(micros: int) -> Decimal:
    """Dollars, rounded half up to the cent."""
    return (Decimal(micros) / 1_000_000).quantize(CENTS, ROUND_HALF_UP)


def money(value: float) -> Decimal:
    """A landed amount in dollars as a decimal with two places."""
    return Decimal(str(value)).quantize(CENTS)


def half_up(numerator: int | Decimal, denominator: int | Decimal, places: int) -> Decimal | None:
    """A ratio rounded half up to so many places; None when the denominator is 0."""
    if not denominator:
        return None
    return (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


@dataclass
class Truth:
    """Every valid record that lands, without duplicates."""

    changes: dict[str, dict[tuple[object, int], Row]] = field(default_factory=lambda: {event: {} for event in KEYS})
    impressions: dict[int, Row] = field(default_factory=dict)
    clicks: dict[tuple[int, ...], Row] = field(default_factory=dict)
    pages: dict[tuple[object, ...], Row] = field(default_factory=dict)
    conversions: dict[int, Row] = field(default_factory=dict)
    bills: list[Row] = field(default_factory=list)

    def change(self, event: str, row: Row) -> None:
        """Add a change of a dimension that will land."""
        self.changes[event][row[KEYS[event]], row["effective_ts"]] = row

    def accept(self, event: str, row: Row) -> None:
        """Add a record that will land."""
        match event:
            case "ad_impressions":
                self.impressions[row["ad_impression_id"]] = row
            case "ad_clicks":
                self.clicks[row["ad_id"], row["user_id"], row["session_id"], row["click_ts"]] = row
            case "page_events":
                self.pages[row["user_id"], row["session_id"], row["event_name"], row["event_ts"]] = row
            case _:
                self.conversions[row["conversion_id"]] = row

    @cached_property
    def versions(self) -> dict[str, dict[object, list[Version]]]:
        """Event -> key -> versions, from the change logs."""
        return {event: versions_by_key(changes) for event, changes in self.changes.items()}

    def at(self, event: str, key: object, us: int) -> Row:
        """The version of a key that held at a time; empty when none did."""
        return payload_at(self.versions[event].get(key, []), us)

    def stamped(self, row: Row, us: int) -> Row:
        """A record with its creative, campaign, advertiser and local day as of a time."""
        ad = self.at("ads", row["ad_id"], us)
        campaign = self.at("campaigns", ad.get("campaign_id"), us)
        zone = self.at("advertisers", campaign.get("advertiser_id"), us).get("time_zone")
        return row | {
            "creative_id": ad.get("creative_id"), "campaign_id": ad.get("campaign_id"),
            "advertiser_id": campaign.get("advertiser_id"), "time_zone": zone,
            "local_day": zone and local_day(us, zone),
        }  # fmt: skip

    @cached_property
    def fct_impressions(self) -> list[Row]:
        """Every ad impression with the versions that held when it was served."""
        return [self.stamped(row, row["impression_ts"]) for row in self.impressions.values()]

    @cached_property
    def fct_clicks(self) -> list[Row]:
        """Every click with its id, its validity, and the last device and region of its session."""
        per_hour = Counter((row["user_id"], hour_of(row["click_ts"])) for row in self.clicks.values())
        before: dict[tuple[int, int], int] = {}
        made = []
        for row in sorted(self.clicks.values(), key=lambda r: (r["click_ts"], r["session_id"])):
            who, at = (row["user_id"], row["ad_id"]), row["click_ts"]
            is_double = who in before and at - before[who] < SECOND_US
            before[who] = at
            few = per_hour[row["user_id"], hour_of(at)] <= MAX_CLICKS_PER_HOUR
            last = {name: self._last_value(row, at, name) for name in ("device", "region")}
            made.append(self.stamped(row, at) | last | {"click_id": click_id(row), "is_valid": few and not is_double})
        return made

    @cached_property
    def _page_values(self) -> dict[tuple[object, ...], list[tuple[int, str, str]]]:
        found: dict[tuple[object, ...], list[tuple[int, str, str]]] = defaultdict(list)
        for row in self.pages.values():
            for name in ("device", "region"):
                if name in row:
                    found[row["user_id"], row["session_id"], name].append(
                        (row["event_ts"], row["event_name"], row[name])
                    )
        return {key: sorted(values) for key, values in found.items()}

    def _last_value(self, click: Row, us: int, name: str) -> str | None:
        values = self._page_values.get((click["user_id"], click["session_id"], name), [])
        place = bisect_left(values, (us + 1, "", ""))
        return values[place - 1][2] if place and values[place - 1][0] > us - SESSION_US else None

    def touches(self) -> dict[int, list[tuple[str, int, object, Row]]]:
        """User -> (click or view, time, id, row) of every touch that may earn credit."""
        found: dict[int, list[tuple[str, int, object, Row]]] = defaultdict(list)
        for row in self.fct_clicks:
            if row["is_valid"] and row["advertiser_id"]:
                found[row["user_id"]].append(("click", row["click_ts"], (row["ad_id"], row["session_id"]), row))
        for row in self.fct_impressions:
            if row["is_valid"] and row["advertiser_id"]:
                found[row["user_id"]].append(("view", row["impression_ts"], row["ad_impression_id"], row))
        return found

    @cached_property
    def fct_conversions(self) -> list[Row]:
        """Every conversion with the touch that earned its credit."""
        touches = self.touches()
        found = {row["conversion_id"]: self._dated(row) for row in self.conversions.values()}
        repeats = repeats_of(found.values())
        return [
            self._attributed(row, touches.get(row.get("user_id", 0), [])) | {"is_repeat": number in repeats}
            for number, row in found.items()
        ]

    def _dated(self, conversion: Row) -> Row:
        """A conversion with its event, and the day and lock of its advertiser."""
        at = conversion["conversion_ts"]
        zone = self.at("advertisers", conversion["advertiser_id"], at).get("time_zone", "UTC")
        day = local_day(at, zone)
        lock = locked_from(day, zone)
        event = conversion.get("event_name", "purchase")
        days = {"local_day": day, "locked_from": lock, "is_in_time": conversion["received_ts"] < lock}
        return conversion | days | {"event_name": event}

    def _attributed(self, conversion: Row, touches: list[tuple[str, int, object, Row]]) -> Row:
        live = [touch for touch in touches if self._earns(touch, conversion)]
        best = min(live, key=lambda t: (t[0], -t[1], t[2]), default=None)
        organic = {"attribution": "organic", "touch_ts": None, "click_id": None, "ad_impression_id": None}
        if not best:
            return conversion | organic | {"is_objective": None, "rule_version": 2}
        kind, when, _, row = best
        names = ("session_id", "ad_id", "creative_id", "campaign_id", "ad_impression_id", "click_id")
        campaign = self.at("campaigns", row["campaign_id"], conversion["conversion_ts"])
        is_objective = conversion["event_name"] == campaign.get("objective_event", "purchase")
        made = {"attribution": kind, "touch_ts": when, "is_objective": is_objective, "rule_version": 2}
        return conversion | {name: row.get(name) for name in names} | made

    def _earns(self, touch: tuple[str, int, object, Row], conversion: Row) -> bool:
        kind, when, _, row = touch
        at, owner = conversion["conversion_ts"], conversion["advertiser_id"]
        days = self.at("advertisers", owner, at).get(f"{kind}_window_days", 0)
        return bool(row["advertiser_id"] == owner and 0 <= at - when < days * DAY_US)

    def spend(self) -> dict[tuple[int, str], Spend]:
        """(campaign, local day) -> spend."""
        found: dict[tuple[int, str], Spend] = defaultdict(Spend)
        for row in self.fct_impressions:
            if row["campaign_id"] and row["local_day"]:
                spend = found[row["campaign_id"], row["local_day"]]
                spend.micros[row["ad_id"]] += row["spend_micros"] * row["is_valid"]
                spend.invalid_micros += row["spend_micros"] * (not row["is_valid"])
        return found


def repeats_of(conversions: Iterable[Row]) -> set[int]:
    """The ids of conversions whose outcome another one reports that was received earlier, in time, and counts."""
    counted: dict[tuple[object, ...], list[int]] = defaultdict(list)
    repeats = set()
    for row in sorted(conversions, key=lambda r: (r["received_ts"], r["conversion_id"])):
        outcome = counted[row["advertiser_id"], row["event_name"], row.get("dedup_key")]
        at = row["conversion_ts"]
        if "dedup_key" in row and any(abs(at - other) < REPEAT_US for other in outcome):
            repeats.add(row["conversion_id"])
        elif row["is_in_time"]:
            outcome.append(at)
    return repeats


def click_id(row: Row) -> str:
    """The first 32 hex digits of the SHA-256 of the grain."""
    grain = f"{row['ad_id']}|{row['user_id']}|{row['session_id']}|{row['click_ts']}"
    return hashlib.sha256(grain.encode()).hexdigest()[:32]


def local_day(us: int, zone: str) -> str:
    """The date of a time (microseconds since 1970) in a time zone."""
    return to_datetime(us).astimezone(ZoneInfo(zone)).date().isoformat()


def locked_from(day: str, zone: str) -> int:
    """Seven days after the end of a day in a time zone, in microseconds since 1970."""
    end = date.fromisoformat(day) + timedelta(days=8)
    return to_us(datetime(end.year, end.month, end.day, tzinfo=ZoneInfo(zone)))


def by_session(rows: Iterator[Row]) -> dict[tuple[int, int], list[Row]]:
    """(user, session) -> rows."""
    found: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows:
        found[row["user_id"], row["session_id"]].append(row)
    return found
