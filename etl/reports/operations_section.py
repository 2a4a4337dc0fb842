"""The Operations section of the dashboard: gates, freshness, errors, coverage and cost of every table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etl.model.contract import Layer
from etl.reports import charts, history_lines
from etl.reports.axes import number
from etl.reports.figure import SERIES, Figure
from etl.reports.health import Health
from etl.reports.operations import Cost
from etl.reports.section import Section
from etl.reports.tile import Tile

RUNS_DRAWN = 18
LAYER_COLORS = {layer: SERIES[i] for i, layer in enumerate(Layer)}


def section(health: Health) -> Section:
    """The section of a lake, whichever subjects ran in it."""
    return Section("operations", "Operations", list(tiles(health)), list(figures(health)))


def tiles(health: Health) -> Iterator[Tile]:
    """Closed gates, tables with an error, and the hours that wait."""
    closed = [g.table.name for g in health.gates if g.state == "failed"]
    warnings = sum(g.warnings for g in health.gates)
    detail = ", ".join(closed) or f"all {len(health.gates)} tables passed or wait; {warnings} warnings"
    yield Tile("gates", "Gates closed", str(len(closed)), len(closed), "alarm" if closed else "ok", detail)
    raised = [g.table.name for g in health.gates if g.error]
    detail = ", ".join(raised) or "no table has an open error"
    yield Tile("errors", "Tables with an error", str(len(raised)), len(raised), "alarm" if raised else "ok", detail)
    yield _freshness(health)


def _freshness(health: Health) -> Tile:
    behind = [f.table.name for f in health.freshness if f.behind_hours]
    worst = max((f.behind_hours or 0 for f in health.freshness), default=0)
    landed = f"newest landed hour {health.landed:%d %b %H:00}" if health.landed else "nothing landed"
    detail = f"{landed}; behind: {', '.join(behind)}" if behind else f"{landed}; every table has it"
    return Tile("freshness", "Hours behind", str(worst), worst, "watch" if worst else "ok", detail)


def figures(health: Health) -> Iterator[Figure]:
    """The hours of which each table has rows, rules about history, and what tables and runs cost."""
    yield _coverage(health)
    yield from (history_lines.figure(line, health.hours) for line in health.history)
    if health.costs:
        yield _cost_by_table(health.costs)
    if health.runs:
        yield _cost_by_run(health.runs)


def _coverage(health: Health) -> Figure:
    tables, hours = health.coverage, health.hours
    rows = [
        [name, str(len(found)), ", ".join(f"{h:%d %b %H}" for h in hours if h not in found) or "none"]
        for name, found in tables.items()
    ]
    whole = sum(len(found) == len(hours) for found in tables.values())
    says = f"{whole} of {len(tables)} tables have rows in each of the {len(hours)} hours."
    svg = charts.presence("coverage", hours, tables)
    unit = "one square per table and hour; a missing hour is empty"
    return Figure("coverage", "Hours with rows", unit, says, svg, ["Table", "Hours", "Missing"], rows)


def _cost_by_table(costs: Sequence[Cost]) -> Figure:
    seconds = {c.table.name: c.seconds for c in costs}
    tints = {c.table.name: LAYER_COLORS[c.table.layer] for c in costs}
    rows = [[c.table.name, c.table.layer.name.lower(), str(c.runs), f"{c.seconds:.1f}", number(c.rows)] for c in costs]
    says = f"{costs[0].table.name} costs most, {costs[0].seconds:.0f} s of {sum(seconds.values()):.0f} s."
    svg = charts.bars("cost", seconds, lambda v: f"{v:.0f}", tints=tints)
    unit = "seconds of the runs of the range, colored by layer"
    columns = ["Table", "Layer", "Runs", "Seconds", "Rows written"]
    return Figure("cost", "Cost per table", unit, says, svg, columns, rows)


def _cost_by_run(runs: dict[str, float]) -> Figure:
    rows = [[run, f"{seconds:.1f}"] for run, seconds in runs.items()]
    newest = dict(list(runs.items())[-RUNS_DRAWN:])
    says = f"{len(runs)} runs, {sum(runs.values()):.0f} s in all."
    svg = charts.bars("runs", newest, lambda v: f"{v:.0f}")
    unit = f"seconds over all tables; oldest first, at most the last {RUNS_DRAWN}"
    return Figure("runs", "Cost per run", unit, says, svg, ["Run", "Seconds"], rows)
