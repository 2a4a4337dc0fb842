"""The tiles of ads. They warn about unexplained spend, spend without an advertiser, and overspent budgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from etl.reports import intervals
from etl.reports.axes import number, percent
from etl.reports.page_queries import Row
from etl.reports.tile import Tile, interval_text, no_data
from etl.subjects.ads.dashboard.health import DAY, Ads, Days

UNEXPLAINED = ("unallocated", "no_delivery")
"""Values of `explanation` in rec_spend_daily that leave a difference unexplained."""
NO_CAMPAIGN_DAY = "no campaign-day in the range"


def ads(found: Ads) -> Iterator[Tile]:
    """Money, budgets, clicks and conversions."""
    yield from _spend(found)
    yield _unknown(found)
    yield _roas("roas", "ROAS", found.roas, found.days)
    yield _roas("final-roas", "ROAS, final days", found.final_roas, found.final_days)
    yield _budget(found)
    yield _ctr(found)
    yield _cvr(found)
    yield _invalid(found)
    yield from _conversions(found)


def usd(value: float | Decimal) -> str:
    """1234.5 -> 1,234.50 USD."""
    return f"{value:,.2f} USD".replace("-", "\u2212")


def total(rows: Iterable[Row], column: str) -> Decimal:
    """The sum of a money column as a decimal. NULL counts as 0."""
    return sum((row[column] for row in rows if row[column] is not None), Decimal(0))


def days_text(days: Days) -> str:
    """`04 Jun to 10 Jun`, both included."""
    first, last = days[0], days[1] - DAY
    return f"{first:%d %b} to {last:%d %b}" if first != last else f"{first:%d %b}"


def _spend(found: Ads) -> Iterator[Tile]:
    if not found.spend:
        yield no_data("spend", "Spend", NO_CAMPAIGN_DAY)
        yield no_data("unallocated", "Unallocated spend", NO_CAMPAIGN_DAY)
        return
    spent = total(found.spend, "batch_usd")
    both = [r for r in found.spend if r["billed_usd"] is not None and r["streaming_usd"] is not None]
    three = f"batch {usd(total(both, 'batch_usd'))}, streaming {usd(total(both, 'streaming_usd'))}, "
    detail = f"billed so far, {len(both)} of {len(found.spend)} campaign-days: {three}"
    detail += f"invoice {usd(total(both, 'billed_usd'))}"
    yield Tile("spend", "Spend", usd(spent), float(spent), "plain", detail)
    unallocated, charged = total(found.spend, "unallocated_usd"), total(found.spend, "campaign_usd")
    unexplained = [r for r in found.spend if r["explanation"] in UNEXPLAINED]
    detail = f"charged {usd(charged)} less what ads spent; " + (
        f"{len(unexplained)} of {len(found.spend)} campaign-days differ unexplained, "
        f"by up to {usd(max(abs(r['difference_usd']) for r in unexplained))}"
        if unexplained
        else f"no difference of {len(found.spend)} campaign-days is unexplained"
    )
    state = "watch" if unexplained else "ok"
    yield Tile("unallocated", "Unallocated spend", usd(unallocated), float(unallocated), state, detail)


def _unknown(found: Ads) -> Tile:
    name, title = "unknown-spend", "Spend of unknown ads"
    if not found.unknown:
        return no_data(name, title, "no valid impression in the range")
    (row,) = found.unknown
    detail = f"{number(row['impressions'])} valid impressions of {number(row['ads'])} ads without a known advertiser: "
    detail += "no campaign is charged"
    return Tile(name, title, usd(row["usd"]), float(row["usd"]), "watch" if row["usd"] else "ok", detail)


def _roas(name: str, title: str, rows: list[Row], days: Days) -> Tile:
    spent, earned = total(rows, "spend_usd"), total(rows, "value_usd")
    if not spent:
        return no_data(name, title, f"nothing was spent on {days_text(days)}")
    until = max(r["locked_from"] for r in rows)
    final = "final" if all(r["is_final"] for r in rows) else f"not final before {until:%d %b %H:%M}"
    detail = f"{usd(earned)} for {usd(spent)}, {days_text(days)}; {final}"
    return Tile(name, title, f"{earned / spent:.2f}", float(earned / spent), "plain", detail)


def _budget(found: Ads) -> Tile:
    title, of = "Budget spent", f"{found.pace_day:%d %b}, the newest day that is over in every time zone"
    # rows come in order of the hour, so the last row of a campaign wins
    last = {r["campaign_id"]: r for r in found.pace if r["daily_budget_usd"]}
    if not any(r["spent_usd"] for r in last.values()):
        return no_data("budget", title, f"nothing with a budget was spent on {of}")
    spent, budget = total(last.values(), "spent_usd"), total(last.values(), "daily_budget_usd")
    share = float(spent / budget)
    over = [str(c) for c, r in last.items() if r["spent_usd"] > r["daily_budget_usd"]]
    unspent = [str(c) for c, r in last.items() if not r["spent_usd"]]
    detail = f"of {usd(budget)} a day, {len(last)} campaigns, {of}"
    detail += f"; over their own: {', '.join(over)}" if over else "; none is over its own"
    detail += f"; nothing spent by {', '.join(unspent)}" if unspent else ""
    return Tile("budget", title, percent(share), share, "watch" if over else "ok", detail)


def _ctr(found: Ads) -> Tile:
    (row,) = found.delivered or [{"impressions": 0, "ad_clicks": 0, "viewers": 0}]
    rate = intervals.rate(row["ad_clicks"], row["impressions"], row["viewers"])
    if not rate:
        return no_data("ctr", "CTR", "no valid impression in the range")
    detail = (
        f"{number(row['ad_clicks'])} clicks on {number(row['impressions'])} impressions; {interval_text(rate, percent)}"
    )
    return Tile("ctr", "CTR", percent(rate.value), rate.value, "plain", detail)


def _cvr(found: Ads) -> Tile:
    clicked, converted = (sum(r[c] for r in found.sessions) for c in ("sessions_ad_clicked", "sessions_converted"))
    if not clicked:
        return no_data("cvr", "CVR", "no session with an ad click in the range")
    detail = f"{number(converted)} of {number(clicked)} sessions with an ad click earned a conversion so far"
    return Tile("cvr", "CVR", percent(converted / clicked), converted / clicked, "plain", detail)


def _invalid(found: Ads) -> Tile:
    invalid, clicks = (sum(r[c] for r in found.clicks) for c in ("invalid", "valid"))
    clicks += invalid
    if not clicks:
        return no_data("invalid-clicks", "Invalid clicks", "no ad click in the range")
    detail = f"{number(invalid)} of {number(clicks)} ad clicks are a machine's or the second of a double click"
    return Tile("invalid-clicks", "Invalid clicks", percent(invalid / clicks), invalid / clicks, "plain", detail)


def _conversions(found: Ads) -> Iterator[Tile]:
    title, late, repeated = "Attributed conversions", "Conversions too late", "Repeated reports"
    by = {c: sum(r[c] for r in found.conversions) for c in ("conversions", "click", "view", "organic")}
    if by["conversions"]:
        share = 1 - by["organic"] / by["conversions"]
        detail = (
            f"of {number(by['conversions'])}: click {by['click']:,}, view {by['view']:,}, organic {by['organic']:,}"
        )
        yield Tile("attributed", title, percent(share), share, "plain", detail)
    else:
        yield no_data("attributed", title, "no conversion in the range")
    if found.received:
        (row,) = found.received
        detail = f"of {number(row['received'])} received in the range, after their day was locked; "
        detail += f"{number(row['too_late_attributed'])} of them are attributed and in no campaign's numbers"
        yield Tile("too-late", late, number(row["too_late"]), row["too_late"], "plain", detail)
        detail = f"of {number(row['received'])} received in the range: another report of the outcome counts"
        yield Tile("repeats", repeated, number(row["repeats"]), row["repeats"], "plain", detail)
    else:
        yield no_data("too-late", late, "no conversion was received in the range")
        yield no_data("repeats", repeated, "no conversion was received in the range")
