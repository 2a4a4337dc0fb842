"""The charts of the feed, each with its numbers as a table. `hours` are those of the page, with or without data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from etl.reports import charts
from etl.reports.axes import Level, hour, number, percent
from etl.reports.figure import Figure
from etl.reports.intervals import Estimate
from etl.reports.operations import Skew
from etl.reports.page_queries import Row
from etl.subjects.feed.dashboard.health import FLOOR, MIN_IMPRESSIONS, Ingest, Ranker, Safety
from etl.subjects.feed.dashboard.tiles import SKEW_LIMIT

MEASURES = {
    "like": "Like rate, per impression",
    "save": "Save rate, per impression",
    "negative": "Negative rate, hides and reports per impression",
    "regret": "Regret rate, likes undone within 5 minutes, per like given",
}
DWELLS = {
    "dwell": "Dwell per impression; one without a heartbeat counts 0",
    "stayed": "Average dwell of the impressions that have dwell",
}
Hours = Sequence[datetime]
Counts = Mapping[datetime, int]


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3g} s"


def _estimate(estimate: Estimate | None, form: Callable[[float], str]) -> str:
    if estimate is None:
        return "no data"
    if estimate.low is None or estimate.high is None:
        return form(estimate.value)
    return f"{form(estimate.value)} ({form(estimate.low)} to {form(estimate.high)})"


def ranker(ranker: Ranker, hours: Hours) -> Iterator[Figure]:
    """Rates of each model version with their intervals, over the interval of the page and by hour."""
    if ranker.versions:
        yield _versions(ranker)
        for measure in MEASURES:
            yield _rate_by_hour(ranker, hours, measure)


def _versions(ranker: Ranker) -> Figure:
    named = {v["model_semver"]: v for v in ranker.versions}
    panels: dict[str, Any] = {t: ({n: v[m] for n, v in named.items()}, percent) for m, t in MEASURES.items()}
    panels |= {t: ({n: v[m] for n, v in named.items()}, _seconds) for m, t in DWELLS.items()}
    columns = [
        "Version",
        "Impressions",
        "Viewers",
        "Like rate",
        "Save rate",
        "Negative rate",
        "Regret rate",
        "Dwell per impression",
        "Average dwell",
    ]
    rows = [
        [n, number(v["impressions"]), number(v["viewers"]), *[_estimate(v[m], percent) for m in MEASURES],
         *[_estimate(v[m], _seconds) for m in DWELLS]]
        for n, v in named.items()
    ]  # fmt: skip
    says = "; ".join(f"{n}: like rate {_estimate(v['like'], percent)}" for n, v in named.items())
    svg, unit = charts.forest("versions", panels), "dot: rate; bar: 95 % interval; each axis from zero"
    return Figure("versions", "Rates by model version", unit, says, svg, columns, rows, is_tall=True)


def _rate_by_hour(ranker: Ranker, hours: Hours, measure: str) -> Figure:
    versions = [v["model_semver"] for v in ranker.versions]
    found = {v: {r["hour"]: r[measure] for r in ranker.hours if r["model_semver"] == v} for v in versions}
    lines = {v: {h: e and e.value for h, e in by_hour.items()} for v, by_hour in found.items()}
    table = [[hour(h), *[_estimate(found[v].get(h), percent) for v in versions]] for h in hours]
    title = f"{MEASURES[measure].split(',')[0]} by hour"
    says = f"{title} of the impression for {', '.join(versions)}, over {len(hours)} hours."
    svg = charts.hourly_lines(f"{measure}-hours", hours, lines, percent, bands=found)
    return Figure(f"{measure}-hours", title, "band: 95 % interval", says, svg, ["Hour (UTC)", *versions], table)


def ingest(ingest: Ingest, hours: Hours) -> Iterator[Figure]:
    """Impressions, lag, late share and quarantine share by landed hour, the busiest posts, and partition skew."""
    rows = {r["hour"]: r for r in ingest.hours}
    if rows:
        yield _landed(rows, hours, ingest.usual_impressions)
        yield _lag(rows, hours)
        yield _late(rows, hours)
        yield _quarantine(rows, hours, ingest.allowed_quarantine)
    if ingest.busiest:
        yield _busiest(ingest.busiest)
    if ingest.skews:
        yield _skew(ingest.skews)


def _skew(skews: Sequence[Skew]) -> Figure:
    values = {s.table.name: s.ratio for s in skews}
    table = [[s.table.name, f"{s.ratio:.3f}", str(s.tasks)] for s in skews]
    svg = charts.bars("skew", values, lambda v: f"{v:.2f}", (SKEW_LIMIT, f"limit {SKEW_LIMIT}"))
    says = f"Largest task over mean: {', '.join(f'{n} {v:.2f}' for n, v in values.items())}; limit {SKEW_LIMIT}."
    unit = "rows of the largest task \u00f7 mean of the tasks"
    return Figure("skew", "Partition skew, newest publish", unit, says, svg, ["Table", "Skew", "Tasks"], table)


def _landed(rows: dict[datetime, Row], hours: Hours, usual: float | None) -> Figure:
    values = {h: float(r["impressions"]) for h, r in rows.items()}
    level = (usual, "median before the newest") if usual else None
    svg = charts.hourly_bars("landed", hours, values, number, level)
    table = [[hour(h), number(rows[h]["impressions"]) if h in rows else "no data"] for h in hours]
    says = f"Impressions landed in {len(rows)} of {len(hours)} hours, {number(sum(values.values()))} in all."
    return Figure("landed", "Impressions by landed hour", "records", says, svg, ["Landed hour (UTC)", "Records"], table)


def _lag(rows: dict[datetime, Row], hours: Hours) -> Figure:
    names = {"P50": "lag_p50", "P90": "lag_p90", "P99": "lag_p99"}
    lines = {n: {h: r[c] / 60 for h, r in rows.items() if r[c] is not None} for n, c in names.items()}
    table = [[hour(h), *[number(v[h]) if h in v else "no data" for v in lines.values()]] for h in hours]
    svg = charts.hourly_lines("lag", hours, lines, lambda v: f"{v:,.0f}")
    says = f"Percentiles of lag over {len(rows)} landed hours."
    unit = "minutes from event to the end of the landed hour"
    return Figure("lag", "Lag by landed hour", unit, says, svg, ["Landed hour (UTC)", *names], table)


def _late(rows: dict[datetime, Row], hours: Hours) -> Figure:
    of = {h: r["facts"] for h, r in rows.items()}
    title = "Late share by landed hour"
    svg, says, table = _share_by_hour("late", title, {h: r["late"] for h, r in rows.items()}, of, hours)
    columns = ["Landed hour (UTC)", "Share", "Late", "Facts"]
    return Figure("late", title, "late \u00f7 facts", says, svg, columns, table)


def _quarantine(rows: dict[datetime, Row], hours: Hours, allowed: float) -> Figure:
    part = {h: r["quarantined"] for h, r in rows.items()}
    of = {h: r["accepted"] + r["quarantined"] for h, r in rows.items()}
    title, level = "Quarantine share by landed hour", (allowed, "allowed of an event and hour")
    svg, says, table = _share_by_hour("quarantine", title, part, of, hours, level)
    columns = ["Landed hour (UTC)", "Share", "Quarantined", "Read"]
    return Figure("quarantine", title, "quarantined \u00f7 read", says, svg, columns, table)


def _share_by_hour(
    name: str, title: str, part: Counts, of: Counts, hours: Hours, level: Level | None = None
) -> tuple[str, str, list[list[str]]]:
    """SVG, sentence and table of the share `part` / `of` per hour; an hour whose `of` is 0 has no share."""
    shares = {h: part[h] / n for h, n in of.items() if n}
    table = [
        [hour(h), percent(shares[h]), number(part[h]), number(of[h])] if h in shares else [hour(h), "no data", "", ""]
        for h in hours
    ]
    worst = max(shares, key=lambda h: shares[h], default=None)
    says = f"{title}; the worst is {percent(shares[worst])} in {hour(worst)}." if worst else f"{title}: no data."
    return charts.hourly_bars(name, hours, shares, percent, level), says, table


def _busiest(rows: list[Row]) -> Figure:
    values = {str(r["post_id"]): float(r["impressions"]) for r in rows}
    table = [[str(r["post_id"]), number(r["impressions"]), percent(r["share"])] for r in rows]
    when = hour(rows[0]["hour"])
    says = f"Post {rows[0]['post_id']} makes {percent(rows[0]['share'])} of the impressions of {when}."
    svg, columns = charts.bars("busiest", values, number), ["Post", "Impressions", "Share of the hour"]
    unit = f"impressions of {when} by post id"
    return Figure("busiest", "Busiest posts, newest hour", unit, says, svg, columns, table)


def safety(safety: Safety, hours: Hours) -> Iterator[Figure]:
    """Posts over the floor by hour, and the negative rate of the worst of them by hour."""
    if safety.hours:
        yield _over_floor({r["hour"]: r for r in safety.hours}, hours)
    if safety.worst_posts:
        yield _worst_posts(safety.worst_posts, hours)


def _over_floor(rows: dict[datetime, Row], hours: Hours) -> Figure:
    values = {h: float(r["over_floor"]) for h, r in rows.items()}
    table = [
        [hour(h), str(rows[h]["over_floor"]), str(rows[h]["judged"]), percent(rows[h]["negative_p99"]),
         "no data" if rows[h]["report_p99"] is None else percent(rows[h]["report_p99"])]
        if h in rows
        else [hour(h), "no data", "", "", ""]
        for h in hours
    ]  # fmt: skip
    svg = charts.hourly_bars("over-floor", hours, values, number)
    unit = f"posts with more than {MIN_IMPRESSIONS:,} impressions and a negative rate over {percent(FLOOR)}"
    says = f"At most {number(max(values.values()))} posts over the floor in an hour."
    columns = ["Hour (UTC)", "Over the floor", "Judged", "Negative rate P99", "Report rate P99"]
    return Figure("over-floor", "Posts over the floor by hour", unit, says, svg, columns, table)


def _worst_posts(rows: list[Row], hours: Hours) -> Figure:
    found: dict[str, dict[datetime, float]] = {}
    for row in rows:
        found.setdefault(f"post {row['post_id']}", {})[row["hour"]] = row["negative_rate"]
    table = [[hour(h), *[percent(v[h]) if h in v else "no data" for v in found.values()]] for h in hours]
    svg = charts.hourly_lines("worst-posts", hours, found, percent, level=(FLOOR, f"floor {percent(FLOOR)}"))
    says = f"Negative rate by hour of the {len(found)} posts that rose most."
    title, unit = "Negative rate of the posts in the queue", "hides and reports per impression"
    return Figure("worst-posts", title, unit, says, svg, ["Hour (UTC)", *found], table)
