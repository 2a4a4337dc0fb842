"""The truth of every ads table as JSON Lines, `<table>.jsonl`, in the columns a test compares."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import chain
from math import sqrt
from pathlib import Path
from typing import Any

from etl.sources.landing_writer import Row
from etl.sources.simulate.truth_versions import Version
from etl.sources.simulate_ads.truth import KEYS, Spend, Truth, by_session, cents, locked_from
from etl.sources.stamps import hour_of, iso

ENOUGH, BASELINE_DAYS = 1000, 28
FIVE_MINUTES_US = 300_000_000
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


def half_up(numerator: int | Decimal, denominator: int | Decimal, places: int) -> Decimal | None:
    """A ratio to so many places; None where there is nothing to divide by."""
    if not denominator:
        return None
    return (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _day(us: int) -> str:
    return iso(us)[:10]


def _pick(row: Row, *names: str) -> Row:
    return {name: row.get(name) for name in names}


_WHOSE = ("creative_id", "campaign_id", "advertiser_id", "local_day")


def _clicks(truth: Truth) -> Iterator[Row]:
    own = ("click_id", "ad_id", "user_id", "session_id", "click_ts", "ad_impression_id", "device", "region", "is_valid")
    return (_pick(row, *own, "time_zone", *_WHOSE) for row in truth.fct_clicks)


def _impressions(truth: Truth) -> Iterator[Row]:
    own = ("ad_impression_id", "user_id", "ad_id", "session_id", "surface", "spend_micros", "is_valid", "impression_ts")
    return (_pick(row, *own, "experiment_ids", "time_zone", *_WHOSE) for row in truth.fct_impressions)


def _conversions(truth: Truth) -> Iterator[Row]:
    own = ("conversion_id", "user_id", "conversion_ts", "received_ts", "attribution", "touch_ts", "click_id",
           "ad_impression_id", "session_id", "ad_id", "locked_from", "is_in_time")  # fmt: skip
    return (
        _pick(row, *own, *_WHOSE) | {"value_usd": _money(row["value_usd"]), "day": _day(row["conversion_ts"])}
        for row in truth.fct_conversions
    )


def _money(value: float) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("0.01"))


def sessions(truth: Truth) -> Iterator[Row]:
    """Page events and valid ad clicks, session by session."""
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
    told = [(row["event_ts"] if "event_ts" in row else row["click_ts"], row[name]) for row in rows if row.get(name)]
    return min(told)[1] if told else None


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
    paid = {(r["user_id"], r["session_id"]) for r in truth.fct_conversions if r["attribution"] == "click"}
    cells: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in sessions(truth):
        cells[row["day"], row["region"] or "unknown", row["device"] or "unknown"].append(row)
    for (day, region, device), rows in sorted(cells.items()):
        clicked = [row for row in rows if row["has_ad_clicked"]]
        converted = sum((row["user_id"], row["session_id"]) in paid for row in rows)
        users, pressed = ({row["user_id"] for row in some} for some in (rows, clicked))
        clicks, on_ads = (sum(row[name] for row in rows) for name in ("clicks", "ad_clicks"))
        yield {
            "day": day, "region": region, "device": device, "sessions": len(rows), "users": len(users),
            "users_ad_clicked": len(pressed), "clicks": clicks, "ad_clicks": on_ads,
            "session_ms_sum": sum(row["end"] // 1000 - row["start"] // 1000 for row in rows),
            "sessions_ad_clicked": len(clicked), "sessions_converted": converted,
            "ctr_users": half_up(len(pressed), len(users), 5), "ctr_clicks": half_up(on_ads, clicks + on_ads, 5),
            "cvr": half_up(converted, len(clicked), 5),
        }  # fmt: skip


def _valid(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["is_valid"] and row["advertiser_id"]]


def _campaign_days(truth: Truth) -> Iterator[Row]:
    found: dict[tuple[int, int, str], Counter[str]] = defaultdict(Counter)
    people: dict[tuple[int, int, str], set[int]] = defaultdict(set)
    for row in _valid(truth.fct_impressions):
        cell = found[_campaign(row)]
        cell["impressions"] += 1
        cell["micros"] += row["spend_micros"]
        people[_campaign(row)].add(row["user_id"])
    for row in _valid(truth.fct_clicks):
        found[_campaign(row)]["ad_clicks"] += 1
    for row in truth.fct_conversions:
        if row["is_in_time"] and row["attribution"] != "organic":
            cell = found[_campaign(row)]
            cell[f"conversions_{row['attribution']}"] += 1
            cell[f"cents_{row['attribution']}"] += int(_money(row["value_usd"]) * 100)
    for key, cell in sorted(found.items()):
        spend = Decimal(cell["micros"]) / 1_000_000
        click, view = (Decimal(cell[f"cents_{by}"]) / 100 for by in ("click", "view"))
        zone = truth.at("advertisers", key[0], 2**62)["time_zone"]
        yield {
            "advertiser_id": key[0], "campaign_id": key[1], "day": key[2], "reach": len(people[key]),
            **{name: cell[name] for name in ("impressions", "ad_clicks", "conversions_click", "conversions_view")},
            "ctr": half_up(cell["ad_clicks"], cell["impressions"], 7), "spend_usd": spend,
            "value_usd_sum": click + view, "value_click_usd": click, "value_view_usd": view,
            "roas": half_up(click + view, spend, 4), "roas_click": half_up(click, spend, 4),
            "roas_view": half_up(view, spend, 4), "locked_from": locked_from(key[2], zone),
        }  # fmt: skip


def _campaign(row: Row) -> tuple[int, int, str]:
    return row["advertiser_id"], row["campaign_id"], row["local_day"]


def _frequencies(truth: Truth) -> dict[tuple[int, int, str], Counter[tuple[str, str]]]:
    """(advertiser, creative, day) -> (bucket, impressions or ad_clicks) -> how many."""
    seen: Counter[tuple[object, ...]] = Counter()
    cells: dict[tuple[int, int, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    shown = ((row["impression_ts"], 0, str(row["ad_impression_id"]), row) for row in _valid(truth.fct_impressions))
    clicked = ((row["click_ts"], 1, row["click_id"], row) for row in _valid(truth.fct_clicks))
    for _, is_click, _, row in sorted(chain(shown, clicked), key=lambda act: act[:3]):
        creative = row["advertiser_id"], row["creative_id"], row["local_day"]
        seen[(row["user_id"], *creative)] += not is_click
        times = seen[(row["user_id"], *creative)]
        bucket = "1" if times < 2 else "2-3" if times < 4 else "4-7" if times < 8 else "8+"
        cells[creative][bucket, "ad_clicks" if is_click else "impressions"] += 1
    return cells


def _creative_frequencies(truth: Truth) -> Iterator[Row]:
    for (advertiser, creative, day), cell in sorted(_frequencies(truth).items()):
        for bucket in sorted({bucket for bucket, _ in cell}):
            counts = {name: cell[bucket, name] for name in ("impressions", "ad_clicks")}
            whose = {"advertiser_id": advertiser, "creative_id": creative, "day": day}
            yield whose | {"frequency_bucket": bucket} | counts


def _creative_days(truth: Truth) -> Iterator[Row]:
    cells = _frequencies(truth)
    rated = {key: _rated(cell) for key, cell in cells.items()}
    for (advertiser, creative, day), (shown, clicked, ctr) in sorted(rated.items()):
        ages = (
            ((date.fromisoformat(day) - date.fromisoformat(other)).days, r)
            for (who, _, other), r in rated.items()
            if who == advertiser
        )
        before = [r[2] for age, r in ages if 1 <= age <= BASELINE_DAYS and r[0] >= ENOUGH and r[2] is not None]
        yield {
            "advertiser_id": advertiser, "creative_id": creative, "day": day, "impressions": shown,
            "ad_clicks": clicked, "ctr": ctr, "baseline_days": len(before),
            "z_score": _score(ctr, before) if shown >= ENOUGH and ctr is not None else None,
            "fatigue": _fatigue(cells[advertiser, creative, day]),
        }  # fmt: skip


def _rated(cell: Counter[tuple[str, str]]) -> tuple[int, int, Decimal | None]:
    shown, clicked = (sum(n for (_, what), n in cell.items() if what == w) for w in ("impressions", "ad_clicks"))
    return shown, clicked, half_up(clicked, shown, 7)


def _score(ctr: Decimal, before: list[Decimal]) -> Decimal | None:
    n, total, squares = len(before), sum(before), sum(b * b for b in before)
    variance = n * squares - total * total
    if variance <= 0:
        return None
    return Decimal(float(n * ctr - total) / sqrt(float(variance))).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _fatigue(cell: Counter[tuple[str, str]]) -> Decimal | None:
    later = {what: cell["4-7", what] + cell["8+", what] for what in ("impressions", "ad_clicks")}
    first = {what: cell["1", what] for what in ("impressions", "ad_clicks")}
    if not (later["impressions"] and first["impressions"] and first["ad_clicks"]):
        return None
    lost = 1 - Decimal(later["ad_clicks"] * first["impressions"]) / (later["impressions"] * first["ad_clicks"])
    return lost.quantize(Decimal("0.00001"), ROUND_HALF_UP)


def _spend_days(truth: Truth) -> Iterator[Row]:
    spent, bills = truth.spend(), {(bill["campaign_id"], bill["day"]): bill for bill in truth.bills}
    for key in sorted(spent.keys() | bills.keys()):
        spend, bill = spent.get(key), bills.get(key, {})
        billed, streaming = (bill.get(n) and _money(bill[n]) for n in ("billed_usd", "streaming_usd"))
        batch, invalid = (spend.batch, spend.invalid) if spend else (cents(0), cents(0))
        by_ad = sum((cents(micros) for micros in spend.micros.values()), cents(0)) if spend else cents(0)
        charged = batch if billed is None else billed
        yield {
            "campaign_id": key[0], "day": key[1], "ad_usd": by_ad, "batch_usd": batch, "invalid_usd": invalid,
            "billed_usd": billed, "streaming_usd": streaming, "campaign_usd": charged,
            "unallocated_usd": charged - by_ad, "difference_usd": None if billed is None else billed - batch,
            "streaming_difference_usd": None if streaming is None else streaming - batch,
            "explanation": _why(billed, spend),
        }  # fmt: skip


def _why(billed: Decimal | None, spend: Spend | None) -> str:
    if billed is None or spend is None:
        return "no_invoice" if billed is None else "no_delivery"
    off = billed - spend.batch
    if not off:
        return "agrees"
    if off == spend.invalid:
        return "invalid_traffic"
    return "rounding" if abs(off) <= Decimal("0.005") * (len(spend.micros) + 1) else "unallocated"


def _dimension(event: str) -> Callable[[Truth], Iterator[Row]]:
    def rows(truth: Truth) -> Iterator[Row]:
        for key, versions in truth.versions[event].items():
            for version in versions:
                yield {KEYS[event]: key} | _version(version)

    return rows


def _version(version: Version) -> Row:
    payload = {n: _money(v) if n.endswith("_usd") else v for n, v in version.payload.items()}
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
    "agg_ad_clicks_5min": _windows,
    "agg_ad_clicks": _ad_days,
    "agg_session_data": _session_days,
    "agg_creative_daily": _creative_frequencies,
    "mart_campaign_daily": _campaign_days,
    "mart_creative_daily": _creative_days,
    "rec_spend_daily": _spend_days,
}
