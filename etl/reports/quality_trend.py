"""The last days of an owner's gates: as numbers, and as one picture that mail programs show without asking a server."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from etl.engine.ledger import Entry
from etl.reports.quality import FAILED, IDLE, PASSED, WARNED, Finding, TableState, plain

DAYS = 14
COLOURS = {PASSED: "#2f9e62", WARNED: "#e3a008", FAILED: "#cf2f2f", IDLE: "#eceff2"}
MARKS = {PASSED: "", WARNED: "!", FAILED: "✕", IDLE: ""}
LINES = ("#cf2f2f", "#1f5fa8", "#6b4ea0")
INK, FAINT = "#1d2733", "#66727f"


@dataclass
class DayCount:
    """Gates of one day (UTC, by when the run started)."""

    day: date
    passed: int = 0
    warned: int = 0
    failed: int = 0


def verdict_of(entry: Entry) -> str:
    """What a gate said once: failed, passed with warnings, passed."""
    if entry.verdict != PASSED:
        return FAILED
    return WARNED if any(f["severity"] == "warning" for f in json.loads(entry.failures)) else PASSED


def days(states: list[TableState], last: date) -> list[DayCount]:
    """Gates by day, the last fourteen days, oldest first."""
    counts = {day: DayCount(day) for day in _window(last)}
    for entry in (e for s in states for e in s.history if e.started_at.date() in counts):
        count, verdict = counts[entry.started_at.date()], verdict_of(entry)
        setattr(count, verdict, getattr(count, verdict) + 1)
    return list(counts.values())


def _window(last: date) -> list[date]:
    return [last - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]


def picture(states: list[TableState], last: date) -> bytes:
    """A PNG, 600 units wide at double resolution: a strip of days per table and, when a rule fails now, its share."""
    series = _series(states, last)
    height = 0.75 + 0.27 * len(states) + (1.75 if series else 0)
    figure = Figure(figsize=(6, height), dpi=200, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    parts = figure.subplots(
        2 if series else 1, 1, squeeze=False, height_ratios=[0.6 + 0.27 * len(states), 1.6][: 1 + bool(series)]
    )
    _strip(parts[0][0], states, last)
    if series:
        _shares(parts[1][0], series, last)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _strip(axes: Axes, states: list[TableState], last: date) -> None:
    window = _window(last)
    for row, state in enumerate(states):
        worst: dict[date, str] = defaultdict(lambda: IDLE)
        for entry in state.history:
            day = entry.started_at.date()
            worst[day] = min(worst[day], verdict_of(entry), key=(FAILED, WARNED, PASSED, IDLE).index)
        for column, day in enumerate(window):
            verdict = worst[day]
            axes.barh(row, 0.92, left=column - 0.46, height=0.8, color=COLOURS[verdict])
            axes.text(column, row, MARKS[verdict], color="white", ha="center", va="center", fontsize=8, weight="bold")
    axes.set_yticks(range(len(states)), [s.table.name for s in states], fontsize=7.5, parse_math=False)
    axes.set_ylim(len(states) - 0.5, -0.5)
    axes.set_xlim(-0.6, DAYS - 0.4)
    axes.set_xticks(range(DAYS), [_label(d, d == window[0]) for d in window], fontsize=7)
    _plain_axes(axes, "Gates by day:  green passed · amber ! warnings · red ✕ failed · grey no run")


def _label(day: date, first: bool) -> str:
    return f"{day:%-d}\n{day:%b}" if first or day.day == 1 else f"{day:%-d}"


def _plain_axes(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=8, loc="left", color=INK, parse_math=False)
    axes.tick_params(length=0, labelcolor=INK)
    for side in axes.spines.values():
        side.set_visible(False)


def _series(states: list[TableState], last: date) -> dict[str, list[tuple[float, float]]]:
    """Rule that blocks now -> (day of the strip, percent of rows) of each run; a run in which it held counts 0."""
    found: dict[str, list[tuple[float, float]]] = {}
    for state in states:
        for finding in state.findings:
            if finding.blocks and finding.count is not None and finding.of:
                label = f"{state.table.name}: {finding.rule}"
                found.setdefault(label, [_point(e, finding, last) for e in state.history])
    return dict(list(found.items())[: len(LINES)])


def _point(entry: Entry, finding: Finding, last: date) -> tuple[float, float]:
    rows = entry.metrics.get("rows_refused")
    shares = [
        100 * f["count"] / (f["of"] or rows)
        for f in json.loads(entry.failures)
        if plain(f["rule"]) == finding.rule and f["count"] is not None and (f["of"] or rows)
    ]
    start = entry.started_at
    return DAYS - 1 - (last - start.date()).days + (start.hour + start.minute / 60) / 24 - 0.5, max(shares, default=0.0)


def _shares(axes: Axes, series: dict[str, list[tuple[float, float]]], last: date) -> None:
    for colour, (label, points) in zip(LINES, series.items(), strict=False):
        seen = [p for p in points if p[0] >= -0.6]
        axes.plot(*zip(*seen, strict=True), color=colour, marker="o", markersize=3, linewidth=1.4, label=label)
    axes.set_xlim(-0.6, DAYS - 0.4)
    axes.set_ylim(bottom=0)
    axes.set_xticks(range(DAYS), [_label(d, d == _window(last)[0]) for d in _window(last)], fontsize=7)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.grid(axis="y", color="#dfe3e8", linewidth=0.6)
    axes.tick_params(axis="y", labelsize=7)
    for text in axes.legend(fontsize=7, frameon=False, loc="upper left").get_texts():
        text.set_parse_math(False)
    _plain_axes(axes, "Share of failing rows, run by run, of rules that block now")
