"""The dashboard's charts, each with the numbers it was drawn from as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from etl.model.contract import Layer
from etl.reports import charts
from etl.reports.charts import number, percent
from etl.reports.dashboard_tiles import SKEW_LIMIT
from etl.reports.figure import SERIES, Figure
from etl.reports.health import FLOOR, MIN_IMPRESSIONS, Health
from etl.reports.intervals import Estimate
from etl.reports.operations import Cost
from etl.reports.questions import Row

MEASURES = {
    "like": "Like rate, per impression",
    "save": "Save rate, per impression",
    "negative": "Negative rate, hides and reports per impression",
    "regret": "Regret rate, likes taken back within 5 minutes, per like",
}
RUNS_DRAWN = 18
COST = ("Table", "Layer", "Runs", "Seconds", "Rows written")
LAYER_COLOURS = {layer: SERIES[i] for i, layer in enumerate(Layer)}


def hour(when: datetime) -> str:
    """As the tables write an hour."""
    return f"{when:%Y-%m-%d %H:00}"


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3g} s"


def _estimate(estimate: Estimate | None, form: Callable[[float], str]) -> str:
    if estimate is None:
        return "no data"
    if estimate.low is None or estimate.high is None:
        return form(estimate.value)
    return f"{form(estimate.value)} ({form(estimate.low)} to {form(estimate.high)})"


def ranker(health: Health) -> Iterator[Figure]:
    """Rates with intervals per version, over the range and by hour."""
    versions = health.ranker.versions
    if not versions:
        return
    named = {v["model_semver"]: v for v in versions}
    panels: dict[str, Any] = {t: ({n: v[m] for n, v in named.items()}, percent) for m, t in MEASURES.items()}
    panels["Average dwell per impression that has dwell"] = ({n: v["dwell"] for n, v in named.items()}, _seconds)
    columns = ["Version", "Impressions", "Viewers", "Like rate", "Save rate", "Negative rate", "Regret rate", "Dwell"]
    rows = [
        [n, number(v["impressions"]), number(v["viewers"]), *[_estimate(v[m], percent) for m in MEASURES],
         _estimate(v["dwell"], _seconds)]
        for n, v in named.items()
    ]  # fmt: skip
    says = "; ".join(f"{n}: like rate {_estimate(v['like'], percent)}" for n, v in named.items())
    yield Figure("versions", "Rates by model version", "dot: rate; bar: 95 % interval; each axis from zero", says,
                 charts.forest("versions", panels), columns, rows)  # fmt: skip
    for measure in MEASURES:
        yield _by_hour(health, measure, list(named))


def _by_hour(health: Health, measure: str, versions: Sequence[str]) -> Figure:
    rows = health.ranker.hours
    found = {v: {r["hour"]: r[measure] for r in rows if r["model_semver"] == v} for v in versions}
    lines = {v: {h: e and e.value for h, e in hours.items()} for v, hours in found.items()}
    table = [[hour(h), *[_estimate(found[v].get(h), percent) for v in versions]] for h in health.hours]
    title = f"{MEASURES[measure].split(',')[0]} by hour"
    says = f"{title} of the impression for {', '.join(versions)}, over {len(health.hours)} hours."
    svg = charts.hourly_lines(f"{measure}-hours", health.hours, lines, percent, bands=found)
    return Figure(f"{measure}-hours", title, "band: 95 % interval", says, svg, ["Hour (UTC)", *versions], table)


def ingest(health: Health) -> Iterator[Figure]:
    """What landed by hour, lag, lateness, quarantine, the busiest posts and how evenly they were spread."""
    rows = {r["hour"]: r for r in health.ingest.hours}
    if rows:
        yield _landed(health, rows)
        yield _lag(health, rows)
        yield _share(health, rows, "late", "Late share by landed hour", "late", "facts")
        yield _share(health, rows, "quarantine", "Quarantine share by landed hour", "quarantined", "read")
    if health.ingest.busiest:
        yield _busiest(health)
    if health.ingest.skews:
        values = {s.table.name: s.ratio for s in health.ingest.skews}
        table = [[s.table.name, f"{s.ratio:.3f}", str(s.tasks)] for s in health.ingest.skews]
        svg = charts.bars("skew", values, lambda v: f"{v:.2f}", (SKEW_LIMIT, f"limit {SKEW_LIMIT}"))
        says = f"Largest task over mean: {', '.join(f'{n} {v:.2f}' for n, v in values.items())}; limit {SKEW_LIMIT}."
        yield Figure("skew", "Partition skew, newest publish", "rows of the largest task \u00f7 mean of the tasks",
                     says, svg, ["Table", "Skew", "Tasks"], table)  # fmt: skip


def _landed(health: Health, rows: dict[datetime, Row]) -> Figure:
    values = {h: float(r["impressions"]) for h, r in rows.items()}
    usual = health.ingest.expected
    svg = charts.hourly_bars(
        "landed", health.hours, values, number, (usual, "median before the newest") if usual else None
    )
    table = [[hour(h), number(rows[h]["impressions"]) if h in rows else "no data"] for h in health.hours]
    says = f"Impressions landed in {len(rows)} of {len(health.hours)} hours, {number(sum(values.values()))} in all."
    return Figure("landed", "Impressions by landed hour", "records", says, svg, ["Landed hour (UTC)", "Records"], table)


def _lag(health: Health, rows: dict[datetime, Row]) -> Figure:
    names = {"P50": "lag_p50", "P90": "lag_p90", "P99": "lag_p99"}
    lines = {n: {h: r[c] / 60 for h, r in rows.items() if r[c] is not None} for n, c in names.items()}
    table = [[hour(h), *[number(v[h]) if h in v else "no data" for v in lines.values()]] for h in health.hours]
    svg = charts.hourly_lines("lag", health.hours, lines, lambda v: f"{v:,.0f}")
    says = f"Percentiles of lag over {len(rows)} landed hours."
    unit = "minutes from event to the end of the landed hour"
    return Figure("lag", "Lag by landed hour", unit, says, svg, ["Landed hour (UTC)", *names], table)


def _share(health: Health, rows: dict[datetime, Row], name: str, title: str, part: str, whole: str) -> Figure:
    of = {h: r["facts"] if whole == "facts" else r["accepted"] + r["quarantined"] for h, r in rows.items()}
    values = {h: rows[h][part] / n for h, n in of.items() if n}
    limit = (health.allowed_quarantine, "allowed of an event and hour") if name == "quarantine" else None
    table = [
        [hour(h), percent(values[h]), number(rows[h][part]), number(of[h])]
        if h in values
        else [hour(h), "no data", "", ""]
        for h in health.hours
    ]
    svg = charts.hourly_bars(name, health.hours, values, percent, limit)
    worst = max(values, key=lambda h: values[h], default=None)
    says = f"{title}; the worst is {percent(values[worst])} in {hour(worst)}." if worst else f"{title}: no data."
    return Figure(
        name,
        title,
        f"{part} \u00f7 {whole}",
        says,
        svg,
        ["Landed hour (UTC)", "Share", part.title(), whole.title()],
        table,
    )


def _busiest(health: Health) -> Figure:
    rows = health.ingest.busiest
    values = {str(r["post_id"]): float(r["impressions"]) for r in rows}
    table = [[str(r["post_id"]), number(r["impressions"]), percent(r["share"])] for r in rows]
    when = hour(rows[0]["hour"])
    says = f"Post {rows[0]['post_id']} makes {percent(rows[0]['share'])} of the impressions of {when}."
    svg, columns = charts.bars("busiest", values, number), ["Post", "Impressions", "Share of the hour"]
    return Figure(
        "busiest", "Busiest posts, newest hour", f"impressions of {when} by post id", says, svg, columns, table
    )


def safety(health: Health) -> Iterator[Figure]:
    """Posts over the floor by hour, and how the worst of them got there."""
    rows = {r["hour"]: r for r in health.safety.hours}
    if rows:
        values = {h: float(r["over_floor"]) for h, r in rows.items()}
        table = [
            [hour(h), str(rows[h]["over_floor"]), str(rows[h]["judged"]), percent(rows[h]["negative_p99"])]
            if h in rows else [hour(h), "no data", "", ""]
            for h in health.hours
        ]  # fmt: skip
        svg = charts.hourly_bars("over-floor", health.hours, values, number)
        unit = f"posts with more than {MIN_IMPRESSIONS:,} impressions and a negative rate over {percent(FLOOR)}"
        says = f"At most {number(max(values.values()))} posts over the floor in an hour."
        columns = ["Hour (UTC)", "Over the floor", "Judged", "Negative rate P99"]
        yield Figure("over-floor", "Posts over the floor by hour", unit, says, svg, columns, table)
    if health.safety.posts:
        yield _worst_posts(health)


def _worst_posts(health: Health) -> Figure:
    found: dict[str, dict[datetime, float]] = {}
    for row in health.safety.posts:
        found.setdefault(f"post {row['post_id']}", {})[row["hour"]] = row["negative_rate"]
    table = [[hour(h), *[percent(v[h]) if h in v else "no data" for v in found.values()]] for h in health.hours]
    svg = charts.hourly_lines("worst-posts", health.hours, found, percent, level=(FLOOR, f"floor {percent(FLOOR)}"))
    says = f"Negative rate by hour of the {len(found)} posts that rose most."
    title, unit = "Negative rate of the posts in the queue", "hides and reports per impression"
    return Figure("worst-posts", title, unit, says, svg, ["Hour (UTC)", *found], table)


def operations(health: Health) -> Iterator[Figure]:
    """Which hours are there, and what tables cost."""
    tables = health.coverage
    rows = [[n, str(len(found)), ", ".join(f"{h:%d %b %H}" for h in health.hours if h not in found) or "none"]
            for n, found in tables.items()]  # fmt: skip
    whole = sum(len(found) == len(health.hours) for found in tables.values())
    says = f"{whole} of {len(tables)} tables have rows in each of the {len(health.hours)} hours."
    yield Figure("coverage", "Hours that hold rows", "one square per table and hour; a missing hour is empty", says,
                 charts.presence("coverage", health.hours, tables), ["Table", "Hours", "Missing"], rows)  # fmt: skip
    if health.costs:
        yield _cost(health.costs)
    if health.runs:
        table = [[run, f"{seconds:.1f}"] for run, seconds in health.runs.items()]
        newest = dict(list(health.runs.items())[-RUNS_DRAWN:])
        says = f"{len(health.runs)} runs, {sum(health.runs.values()):.0f} s in all."
        unit = f"seconds over all tables; oldest first, at most the last {RUNS_DRAWN}"
        svg = charts.bars("runs", newest, lambda v: f"{v:.0f}")
        yield Figure("runs", "Cost per run", unit, says, svg, ["Run", "Seconds"], table)


def _cost(costs: Sequence[Cost]) -> Figure:
    seconds = {c.table.name: c.seconds for c in costs}
    tints = {c.table.name: LAYER_COLOURS[c.table.layer] for c in costs}
    table = [[c.table.name, c.table.layer.name.lower(), str(c.runs), f"{c.seconds:.1f}", number(c.rows)] for c in costs]
    says = f"{costs[0].table.name} costs most, {costs[0].seconds:.0f} s of {sum(seconds.values()):.0f} s."
    svg = charts.bars("cost", seconds, lambda v: f"{v:.0f}", tints=tints)
    columns = ["Table", "Layer", "Runs", "Seconds", "Rows written"]
    return Figure(
        "cost", "Cost per table", "seconds of the runs of the range, coloured by layer", says, svg, columns, table
    )
