"""The charts of ads, each with its numbers as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from etl.reports import charts
from etl.reports.axes import HALF_DAY, ByHour, hour, number
from etl.reports.figure import Figure
from etl.reports.page_queries import Row
from etl.subjects.ads.dashboard.health import Ads, listed, midnight
from etl.subjects.ads.dashboard.tiles import total, usd

SPEND = {"batch": "batch_usd", "streaming": "streaming_usd", "invoice": "billed_usd"}
ATTRIBUTION = ("click", "view", "organic")
HOURS = [timedelta(hours=h) for h in range(24)]


def ads(found: Ads, hours: Sequence[datetime]) -> Iterator[Figure]:
    """Charts of clicks, money and conversions. A chart without data is left out."""
    if found.clicks:
        yield _clicks(found, hours)
    if found.spend:
        yield _spend(found)
    if any(r["spent_usd"] for r in found.pace if r["daily_budget_usd"]):
        yield _pace(found)
    if found.conversions:
        yield _conversions(found)
    if found.top:
        yield _top(found)


def _clicks(found: Ads, hours: Sequence[datetime]) -> Figure:
    rows = {r["hour"]: r for r in found.clicks}
    series: dict[str, ByHour] = {c: {h: float(r[c]) for h, r in rows.items()} for c in ("valid", "invalid")}
    table = [[hour(h), *([number(rows[h][c]) for c in series] if h in rows else ["no data", ""])] for h in hours]
    sums = {c: number(sum(r[c] for r in found.clicks)) for c in series}
    says = f"{sums['valid']} valid and {sums['invalid']} invalid clicks in {len(rows)} of {len(hours)} hours."
    svg = charts.split_bars("ad-clicks", hours, series, number, stacked=True)
    columns = ["Hour (UTC)", "Valid", "Invalid"]
    return Figure("ad-clicks", "Ad clicks by hour", "clicks in the hour they happened", says, svg, columns, table)


def _spend(found: Ads) -> Figure:
    days = listed(found.days)
    of = {d: [r for r in found.spend if midnight(r["day"]) == d] for d in days}
    sums = {n: {d: _known(rows, c) for d, rows in of.items()} for n, c in SPEND.items()}
    series: dict[str, ByHour] = {
        n: {d: None if v is None else float(v) for d, v in by.items()} for n, by in sums.items()
    }
    table = [[_day(d), *[_cell(sums[n][d]) for n in SPEND], _billed(of[d])] for d in days]
    says = "; ".join(f"{n} {usd(total(found.spend, c))}" for n, c in SPEND.items()) + " over the range."
    svg = charts.split_bars("spend", days, series, number, stacked=False, half=HALF_DAY)
    unit = "USD by day of the advertiser; streaming and invoice of the campaigns that are billed so far"
    columns = ["Day", "Batch, USD", "Streaming, USD", "Invoice, USD", "Campaigns billed"]
    return Figure("spend", "Spend by day, three ways", unit, says, svg, columns, table)


def _known(rows: list[Row], column: str) -> Decimal | None:
    return total(rows, column) if any(r[column] is not None for r in rows) else None


def _cell(value: Decimal | None) -> str:
    return "no data" if value is None else f"{value:,.2f}"


def _billed(rows: list[Row]) -> str:
    return f"{sum(r['billed_usd'] is not None for r in rows)} of {len(rows)}"


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d}"


def _pace(found: Ads) -> Figure:
    """The pace of all campaigns together, and of the two that end the day furthest ahead and furthest behind."""
    of: dict[str, list[Row]] = {}
    for row in found.pace:
        if row["daily_budget_usd"]:
            of.setdefault(f"campaign {row['campaign_id']}", []).append(row)
    ends = sorted(of, key=lambda name: of[name][-1]["spent_usd"] / of[name][-1]["daily_budget_usd"])
    shown = {"all": list(of.values())} | {name: [of[name]] for name in dict.fromkeys((ends[-1], ends[0]))}
    hours = [midnight(found.pace_day) + h for h in HOURS]
    lines = {name: {h: _paced(rows, h.hour) for h in hours} for name, rows in shown.items()}
    table = [[f"{h:%H:00}", *[f"{by[h]:.2f}" for by in lines.values()]] for h in hours]
    at_end = ", ".join(f"{name} {by[hours[-1]]:.2f}" for name, by in lines.items())
    says = f"Of {len(of)} campaigns, at the end of the day: {at_end}."
    svg = charts.hourly_lines("pace", hours, lines, lambda v: f"{v:.3g}", level=(1, "even pace"))
    unit = (
        f"spent so far \u00f7 an even share of the budget by then, on {_day(hours[0])}, local hours of the advertiser"
    )
    title = "Pace against the budget by local hour"
    return Figure("pace", title, unit, says, svg, ["Local hour", *lines], table)


def _paced(campaigns: list[list[Row]], hour: int) -> float:
    """Spend by the end of a local hour over an even share of the budgets by then; 0 before any campaign starts."""
    spent, even = (sum((_by_then(rows, hour, c) for rows in campaigns), Decimal(0)) for c in ("spent_usd", "even_usd"))
    return float(spent / even) if even else 0.0


def _by_then(rows: list[Row], hour: int, column: str) -> Decimal:
    """The value of a column at the last row up to this hour, 0 before the first row.

    An hour has no row when the clocks skip it, or before the campaign starts.
    """
    return next((r[column] for r in reversed(rows) if r["local_hour"] <= hour), Decimal(0))


def _conversions(found: Ads) -> Figure:
    days = listed(found.days)
    rows = {midnight(r["day"]): r for r in found.conversions}
    series: dict[str, ByHour] = {c: {d: float(r[c]) for d, r in rows.items()} for c in ATTRIBUTION}
    table = [
        [_day(d), *([number(rows[d][c]) for c in ATTRIBUTION] if d in rows else ["no data", "", ""])] for d in days
    ]
    says = ", ".join(f"{c} {number(sum(r[c] for r in found.conversions))}" for c in ATTRIBUTION) + " conversions."
    svg = charts.split_bars("conversions", days, series, number, stacked=True, half=HALF_DAY)
    columns = ["Day (UTC)", *[c.title() for c in ATTRIBUTION]]
    unit = "conversions by the UTC day they happened on, and by what earned the credit"
    return Figure("conversions", "Conversions by attribution", unit, says, svg, columns, table)


def _top(found: Ads) -> Figure:
    values = {str(r["ad_id"]): float(r["ad_clicks"]) for r in found.top}
    table = [[str(r["ad_id"]), *[number(r[c]) for c in ("ad_clicks", "users", "sessions")]] for r in found.top]
    says = f"Ad {found.top[0]['ad_id']} has {number(found.top[0]['ad_clicks'])} clicks."
    svg, columns = charts.bars("top-ads", values, number), ["Ad", "Clicks", "Users, estimated", "Sessions"]
    return Figure("top-ads", "Ads clicked most", "valid clicks over the range, by ad id", says, svg, columns, table)
