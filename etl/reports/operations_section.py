"""The Operations section of the dashboard: gates, freshness, errors, coverage and cost of every table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from etl.model.contract import Layer
from etl.reports import charts, history_lines
from etl.reports.axes import number
from etl.reports.figure import SERIES, Figure
from etl.reports.headroom import FACTORS, HOUR_SECONDS, Headroom
from etl.reports.health import Health
from etl.reports.operations import Cost
from etl.reports.section import Section
from etl.reports.tile import Tile
from etl.reports.waiting import Waiting

RUNS_DRAWN = 18
LAYER_COLORS = {layer: SERIES[i] for i, layer in enumerate(Layer)}


def section(health: Health) -> Section:
    """The section of a lake, whichever subjects ran in it."""
    return Section("operations", "Operations", list(tiles(health)), list(figures(health)))


def tiles(health: Health) -> Iterator[Tile]:
    """Closed gates, tables with an error, how far tables are behind, and the hours that wait."""
    closed = [g.table.name for g in health.gates if g.state == "failed"]
    warnings = sum(g.warnings for g in health.gates)
    detail = ", ".join(closed) or f"all {len(health.gates)} tables passed or wait; {warnings} warnings"
    yield Tile("gates", "Gates closed", str(len(closed)), len(closed), "alarm" if closed else "ok", detail)
    raised = [g.table.name for g in health.gates if g.error]
    detail = ", ".join(raised) or "no table has an open error"
    yield Tile("errors", "Tables with an error", str(len(raised)), len(raised), "alarm" if raised else "ok", detail)
    yield _freshness(health)
    yield _backlog(health)


def _freshness(health: Health) -> Tile:
    behind = [f.table.name for f in health.freshness if f.behind_hours]
    worst = max((f.behind_hours or 0 for f in health.freshness), default=0)
    landed = f"newest landed hour {health.landed:%d %b %H:00}" if health.landed else "nothing landed"
    detail = f"{landed}; behind: {', '.join(behind)}" if behind else f"{landed}; every table has it"
    return Tile("freshness", "Hours behind", str(worst), worst, "watch" if worst else "ok", detail)


def _backlog(health: Health) -> Tile:
    """How long the oldest due hour has waited."""
    worst = max((each.age for each in health.waiting), default=timedelta()).total_seconds() / 3600
    listed = sum(len(each.recovery) for each in health.waiting)
    due = sum(len(each.hours) for each in health.waiting)
    detail = f"{due} due hours of {len(health.waiting)} tables; {listed} on the recovery list"
    state = "watch" if health.waiting else "ok"
    return Tile("backlog", "Oldest due hour waits", f"{worst:.1f} h", worst, state, detail if due else "no hour waits")


def figures(health: Health) -> Iterator[Figure]:
    """The hours of which each table has rows, due hours, rules about history, and what tables and runs cost."""
    yield _coverage(health)
    if health.waiting:
        yield _due_hours(health.waiting)
    yield from (history_lines.figure(line, health.hours) for line in health.history)
    if health.costs:
        yield _cost_by_table(health.costs)
    if health.runs:
        yield _cost_by_run(health.runs)
    if health.headroom:
        yield _headroom(health.headroom)


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


def _due_hours(waiting: Sequence[Waiting]) -> Figure:
    rows = [
        [each.table.name, str(len(each.hours)), f"{each.age.total_seconds() / 3600:.1f}",
         f"{each.hours[0]:%d %b %H:00}", ", ".join(f"{hour:%d %b %H}" for hour in each.recovery) or "none"]
        for each in waiting
    ]  # fmt: skip
    most = max(waiting, key=lambda each: len(each.hours))
    says = f"{most.table.name} has most due hours, {len(most.hours)}."
    tints = {each.table.name: LAYER_COLORS[each.table.layer] for each in waiting}
    hours = {each.table.name: float(len(each.hours)) for each in waiting}
    svg = charts.bars("due", hours, lambda v: f"{v:g}", tints=tints)
    columns = ["Table", "Due hours", "Oldest waits, h", "Oldest", "On the recovery list"]
    return Figure("due", "Backlog", "due hours (days) per table, colored by layer", says, svg, columns, rows)


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


def _headroom(found: Sequence[Headroom]) -> Figure:
    """Tables with least headroom first. The line is one hour: a longer bar falls behind."""
    most = FACTORS[-1]
    first, drawn = found[0], found[:RUNS_DRAWN]
    minutes = {each.table.name: each.at(most) / 60 for each in drawn}
    rows = [
        [each.table.name, number(each.rows), *(f"{each.at(f):,.0f}" for f in (1, *FACTORS)), f"{each.limit:,.0f} x"]
        for each in found
    ]
    says = f"{first.table.name} fills its hour first, with {first.limit:,.0f} times the rows of its busiest hour."
    tints = {each.table.name: LAYER_COLORS[each.table.layer] for each in drawn}
    svg = charts.bars("headroom", minutes, lambda v: f"{v:,.1f}", level=(HOUR_SECONDS / 60, "one hour"), tints=tints)
    unit = f"minutes for an hour with {most} times the rows, colored by layer"
    at_factors = [f"Seconds at {factor} x" for factor in FACTORS]
    columns = ["Table", "Rows of the busiest hour", "Seconds", *at_factors, "Fills the hour at"]
    return Figure("headroom", "Headroom", unit, says, svg, columns, rows)
