"""The true daily tables for advertisers: campaigns, creatives and spend."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import chain
from math import sqrt

from etl.sources.landing_writer import Row
from etl.subjects.ads.simulate.truth import Spend, Truth, cents, half_up, locked_from, money

MIN_IMPRESSIONS, BASELINE_DAYS = 1000, 28


def _valid(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["is_valid"] and row["advertiser_id"]]


def campaign_days(truth: Truth) -> Iterator[Row]:
    """mart_campaign_daily: delivery, conversions and value of each campaign and day."""
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
        if _counts(row) and row["is_objective"]:
            _earn(found[_campaign(row)], row)
    for key, cell in sorted(found.items()):
        spend = Decimal(cell["micros"]) / 1_000_000
        value, click, view = _values(cell)
        zone = truth.at("advertisers", key[0], 2**62)["time_zone"]
        yield {
            "advertiser_id": key[0], "campaign_id": key[1], "day": key[2], "reach": len(people[key]),
            **{name: cell[name] for name in ("impressions", "ad_clicks", "conversions_click", "conversions_view")},
            "ctr": half_up(cell["ad_clicks"], cell["impressions"], 7), "spend_usd": spend,
            "value_usd_sum": value, "value_click_usd": click, "value_view_usd": view,
            **_ratios(cell, cell["ad_clicks"], spend), "roas_click": half_up(click, spend, 6),
            "roas_view": half_up(view, spend, 6), "locked_from": locked_from(key[2], zone),
        }  # fmt: skip


def _counts(conversion: Row) -> bool:
    return bool(conversion["is_in_time"] and not conversion["is_repeat"])


def _earn(cell: Counter[str], conversion: Row) -> None:
    by = conversion["attribution"]
    cell[f"conversions_{by}"] += 1
    cell[f"cents_{by}"] += int(money(conversion.get("value_usd", 0)) * 100)


def _values(cell: Counter[str]) -> tuple[Decimal, Decimal, Decimal]:
    """Value in total, by click and by view."""
    click, view = (Decimal(cell[f"cents_{by}"]) / 100 for by in ("click", "view"))
    return click + view, click, view


def _ratios(cell: Counter[str], clicks: int, spend: Decimal) -> Row:
    conversions = cell["conversions_click"] + cell["conversions_view"]
    return {
        "cvr": half_up(conversions, clicks, 6), "cpa": half_up(spend, conversions, 6),
        "roas": half_up(_values(cell)[0], spend, 6),
    }  # fmt: skip


def event_days(truth: Truth) -> Iterator[Row]:
    """mart_campaign_event_daily: conversions of each campaign, day and event."""
    found: dict[tuple[int, int, str, str], Counter[str]] = defaultdict(Counter)
    totals: Counter[tuple[str, int, str, str]] = Counter()
    delivered = {(r["advertiser_id"], r["campaign_id"], r["day"]): r for r in campaign_days(truth)}
    for row in filter(_counts, truth.fct_conversions):
        event = row["advertiser_id"], row["event_name"], row["local_day"]
        totals["all", *event] += 1
        totals["organic", *event] += row["attribution"] == "organic"
        if row["attribution"] != "organic":
            _earn(found[*_campaign(row), row["event_name"]], row)
    for (advertiser, campaign, day, event_name), cell in sorted(found.items()):
        delivery = delivered.get((advertiser, campaign, day), {"ad_clicks": 0, "spend_usd": Decimal(0)})
        value, click, view = _values(cell)
        yield {
            "advertiser_id": advertiser, "campaign_id": campaign, "day": day, "event_name": event_name,
            **{name: cell[name] for name in ("conversions_click", "conversions_view")},
            "value_usd_sum": value, "value_click_usd": click, "value_view_usd": view,
            **_ratios(cell, delivery["ad_clicks"], delivery["spend_usd"]),
            "event_conversions": totals["all", advertiser, event_name, day],
            "event_organic": totals["organic", advertiser, event_name, day],
        }  # fmt: skip


def _campaign(row: Row) -> tuple[int, int, str]:
    return row["advertiser_id"], row["campaign_id"], row["local_day"]


def _frequencies(truth: Truth) -> dict[tuple[int, int, str], Counter[tuple[str, str]]]:
    """(advertiser, creative, day) -> (bucket, impressions or ad_clicks) -> count."""
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


def creative_frequencies(truth: Truth) -> Iterator[Row]:
    """agg_creative_daily: impressions and clicks of each creative, day and frequency bucket."""
    for (advertiser, creative, day), cell in sorted(_frequencies(truth).items()):
        for bucket in sorted({bucket for bucket, _ in cell}):
            counts = {name: cell[bucket, name] for name in ("impressions", "ad_clicks")}
            key = {"advertiser_id": advertiser, "creative_id": creative, "day": day}
            yield key | {"frequency_bucket": bucket} | counts


def creative_days(truth: Truth) -> Iterator[Row]:
    """mart_creative_daily: CTR, z-score and fatigue of each creative and day."""
    cells = _frequencies(truth)
    rated = {key: _rated(cell) for key, cell in cells.items()}
    for (advertiser, creative, day), (shown, clicked, ctr) in sorted(rated.items()):
        ages = (
            ((date.fromisoformat(day) - date.fromisoformat(other)).days, r)
            for (owner, _, other), r in rated.items()
            if owner == advertiser
        )
        before = [r[2] for age, r in ages if 1 <= age <= BASELINE_DAYS and r[0] >= MIN_IMPRESSIONS and r[2] is not None]
        yield {
            "advertiser_id": advertiser, "creative_id": creative, "day": day, "impressions": shown,
            "ad_clicks": clicked, "ctr": ctr, "baseline_days": len(before),
            "z_score": _score(ctr, before) if shown >= MIN_IMPRESSIONS and ctr is not None else None,
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


def spend_days(truth: Truth) -> Iterator[Row]:
    """rec_spend_daily: the spend of each campaign and day as delivered and as billed, with explanations."""
    spent, bills = truth.spend(), {(bill["campaign_id"], bill["day"]): bill for bill in truth.bills}
    for key in sorted(spent.keys() | bills.keys()):
        spend, bill = spent.get(key), bills.get(key, {})
        billed, streaming = (bill.get(n) and money(bill[n]) for n in ("billed_usd", "streaming_usd"))
        batch, invalid = (spend.batch, spend.invalid) if spend else (cents(0), cents(0))
        by_ad = sum((cents(micros) for micros in spend.micros.values()), cents(0)) if spend else cents(0)
        charged = batch if billed is None else billed
        yield {
            "campaign_id": key[0], "day": key[1], "ad_usd": by_ad, "batch_usd": batch, "invalid_usd": invalid,
            "billed_usd": billed, "streaming_usd": streaming, "campaign_usd": charged,
            "unallocated_usd": charged - by_ad, "difference_usd": None if billed is None else billed - batch,
            "streaming_difference_usd": None if streaming is None else streaming - batch,
            "explanation": _why(billed, spend, "no_invoice", "unallocated"),
            "streaming_explanation": _why(streaming, spend, "no_counter", "unexplained"),
        }  # fmt: skip


def _why(figure: Decimal | None, spend: Spend | None, missing: str, otherwise: str) -> str:
    """The explanation of the difference between another figure and the batch spend."""
    if figure is None or spend is None:
        return missing if figure is None else "no_delivery"
    off = figure - spend.batch
    if not off:
        return "agrees"
    if off == spend.invalid:
        return "invalid_traffic"
    return "rounding" if abs(off) <= Decimal("0.005") * (len(spend.micros) + 1) else otherwise
