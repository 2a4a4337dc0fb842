"""Writes the true rows of every ads table as JSON Lines, `<table>.jsonl`, with the columns that tests compare."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from etl.sources.landing_writer import Row
from etl.sources.stamps import DAY_US, hour_of, iso
from etl.sources.truth_versions import Version
from etl.subjects.ads.simulate import truth_campaigns
from etl.subjects.ads.simulate.truth import KEYS, Truth, by_session, half_up, money

FIVE_MINUTES_US = 300_000_000
CVR_US = 7 * DAY_US
_TIMES = frozenset({"impression_ts", "click_ts", "event_ts", "conversion_ts", "received_ts", "touch_ts", "locked_from"})


def write(folder: Path, truth: Truth) -> None:
    """Write the truth of every table."""
    for table, rows in _TABLES.items():
        text = "".join(json.dumps({k: _plain(k, v) for k, v in row.items()}) + "\n" for row in rows(truth))
        (folder / f"{table}.jsonl").write_text(text)


def _plain(name: str, value: Any) -> Any:
    if name in _TIMES and value is not None:
        return iso(value)
    return str(value) if isinstance(value, Decimal) else value


def _day(us: int) -> str:
    return iso(us)[:10]


def _pick(row: Row, *names: str) -> Row:
    return {name: row.get(name) for name in names}


_STAMP = ("creative_id", "campaign_id", "advertiser_id", "local_day")


def _clicks(truth: Truth) -> Iterator[Row]:
    own = ("click_id", "ad_id", "user_id", "session_id", "click_ts", "ad_impression_id", "device", "region", "is_valid")
    return (_pick(row, *own, "time_zone", *_STAMP) for row in truth.fct_clicks)


def _impressions(truth: Truth) -> Iterator[Row]:
    own = ("ad_impression_id", "user_id", "ad_id", "session_id", "surface", "spend_micros", "is_valid", "impression_ts")
    return (_pick(row, *own, "experiment_ids", "time_zone", *_STAMP) for row in truth.fct_impressions)


def _conversions(truth: Truth) -> Iterator[Row]:
    own = ("conversion_id", "user_id", "conversion_ts", "received_ts", "attribution", "touch_ts", "click_id",
           "ad_impression_id", "session_id", "ad_id", "locked_from", "is_in_time", "event_name", "source", "dedup_key",
           "is_repeat", "is_objective", "rule_version")  # fmt: skip
    return (
        _pick(row, *own, *_STAMP)
        | {"value_usd": money(row["value_usd"]) if "value_usd" in row else None, "day": _day(row["conversion_ts"])}
        for row in truth.fct_conversions
    )


def _repeats(truth: Truth) -> Iterator[Row]:
    return (
        {"conversion_id": row["conversion_id"], "day": _day(row["conversion_ts"])}
        for row in truth.fct_conversions
        if row["is_repeat"]
    )


def sessions(truth: Truth) -> Iterator[Row]:
    """One row per session, from page events and valid ad clicks."""
    clicks = by_session(row for row in truth.fct_clicks if row["is_valid"])
    pages = by_session(iter(truth.pages.values()))
    for key in sorted(clicks.keys() | pages.keys()):
        seen, clicked = pages.get(key, []), clicks.get(key, [])
        times = [row["event_ts"] for row in seen] + [row["click_ts"] for row in clicked]
        yield {
            "user_id": key[0], "session_id": key[1], "start": min(times), "end": max(times), "page_events": len(seen),
            "clicks": sum(row["event_name"] == "click" for row in seen), "ad_clicks": len(clicked),
            "distinct_ads": len({row["ad_id"] for row in clicked}), "has_ad_clicked": bool(clicked),
            "device": _first(seen + clicked, "device"), "region": _first(seen + clicked, "region"),
            "day": _day(min(times)),
        }  # fmt: skip


def _first(rows: list[Row], name: str) -> str | None:
    values = [(row["event_ts"] if "event_ts" in row else row["click_ts"], row[name]) for row in rows if row.get(name)]
    return min(values)[1] if values else None


def _sessions(truth: Truth) -> Iterator[Row]:
    for row in sessions(truth):
        times = {"session_start": iso(row.pop("start")), "session_end": iso(row.pop("end"))}
        yield row | times


def _windows(truth: Truth) -> Iterator[Row]:
    valid = [row for row in truth.fct_clicks if row["is_valid"]]
    counts = Counter((row["ad_id"], row["click_ts"] // FIVE_MINUTES_US * FIVE_MINUTES_US) for row in valid)
    for (ad, start), clicks in sorted(counts.items()):
        yield {"ad_id": ad, "window_start": iso(start), "ad_clicks": clicks, "hour": iso(hour_of(start))}


def _ad_days(truth: Truth) -> Iterator[Row]:
    found: dict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in truth.fct_clicks:
        if row["is_valid"]:
            found[row["ad_id"], _day(row["click_ts"])].append(row)
    for (ad, day), rows in sorted(found.items()):
        users = {row["user_id"] for row in rows}
        visits = {(row["user_id"], row["session_id"]) for row in rows}
        yield {"ad_id": ad, "day": day, "ad_clicks": len(rows), "users": len(users), "sessions": len(visits)}


def _session_days(truth: Truth) -> Iterator[Row]:
    earned = (r for r in truth.fct_conversions if r["attribution"] == "click" and not r["is_repeat"])
    soon = (r for r in earned if r["conversion_ts"] - r["touch_ts"] < CVR_US)
    credited = {(r["user_id"], r["session_id"]) for r in soon}
    cells: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in sessions(truth):
        cells[row["day"], row["region"] or "unknown", row["device"] or "unknown"].append(row)
    for (day, region, device), rows in sorted(cells.items()):
        clicked = [row for row in rows if row["has_ad_clicked"]]
        converted = sum((row["user_id"], row["session_id"]) in credited for row in rows)
        users, pressed = ({row["user_id"] for row in some} for some in (rows, clicked))
        clicks, on_ads = (sum(row[name] for row in rows) for name in ("clicks", "ad_clicks"))
        yield {
            "day": day, "region": region, "device": device, "sessions": len(rows), "users": len(users),
            "users_ad_clicked": len(pressed), "clicks": clicks, "ad_clicks": on_ads,
            "session_ms_sum": sum(row["end"] // 1000 - row["start"] // 1000 for row in rows),
            "sessions_ad_clicked": len(clicked), "sessions_converted": converted,
            "ctr_users": half_up(len(pressed), len(users), 6), "ctr_clicks": half_up(on_ads, clicks + on_ads, 6),
            "cvr": half_up(converted, len(clicked), 6),
        }  # fmt: skip


def _dimension(event: str) -> Callable[[Truth], Iterator[Row]]:
    def rows(truth: Truth) -> Iterator[Row]:
        for key, versions in truth.versions[event].items():
            for version in versions:
                yield {KEYS[event]: key} | _version(version)

    return rows


def _version(version: Version) -> Row:
    payload = {n: money(v) if n.endswith("_usd") else v for n, v in version.payload.items()}
    ends = None if version.valid_to is None else iso(version.valid_to)
    return payload | {"valid_from": iso(version.valid_from), "valid_to": ends, "is_current": ends is None}


_TABLES: dict[str, Callable[[Truth], Iterator[Row]]] = {
    "dim_ads": _dimension("ads"),
    "dim_campaigns": _dimension("campaigns"),
    "dim_advertisers": _dimension("advertisers"),
    "fct_ad_clicks": _clicks,
    "fct_ad_impressions": _impressions,
    "fct_user_session": _sessions,
    "fct_attributed_conversion": _conversions,
    "fct_conversion_repeat": _repeats,
    "agg_ad_clicks_5min": _windows,
    "agg_ad_clicks": _ad_days,
    "agg_session_data": _session_days,
    "agg_creative_daily": truth_campaigns.creative_frequencies,
    "mart_campaign_daily": truth_campaigns.campaign_days,
    "mart_campaign_event_daily": truth_campaigns.event_days,
    "mart_creative_daily": truth_campaigns.creative_days,
    "rec_spend_daily": truth_campaigns.spend_days,
}
