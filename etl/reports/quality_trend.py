"""The gates of an owner over the last 14 days, as numbers and as a picture that a mail carries inside."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from etl.engine.state.entry import Entry
from etl.reports.findings import Finding, plain
from etl.reports.quality import FAILED, IDLE, PASSED, WARNED, TableState

DAYS, RUNS = 14, 30
COLORS = {PASSED: "#2f9e62", WARNED: "#e3a008", FAILED: "#cf2f2f", IDLE: "#eceff2"}
MARKS = {PASSED: "", WARNED: "!", FAILED: "✕", IDLE: ""}
LINES = ("#cf2f2f", "#1f5fa8", "#6b4ea0")
INK, FAINT = "#1d2733", "#66727f"


@dataclass
class DayCount:
    """Gates of one UTC day. The start of the run decides the day."""

    day: date
    passed: int = 0
    warned: int = 0
    failed: int = 0


def verdict_of(entry: Entry) -> str:
    """The verdict of one gate run: failed, warned or passed."""
    if entry.verdict != PASSED:
        return FAILED
    return WARNED if any(f["severity"] == "warning" for f in json.loads(entry.failures)) else PASSED


def days(states: list[TableState], last: date) -> list[DayCount]:
    """Gates by day over the last 14 days, oldest first."""
    counts = {day: DayCount(day) for day in _window(last)}
    for entry in (e for s in states for e in s.history if e.started_at.date() in counts):
        count, verdict = counts[entry.started_at.date()], verdict_of(entry)
        setattr(count, verdict, getattr(count, verdict) + 1)
    return list(counts.values())


def _window(last: date) -> list[date]:
    return [last - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]


def picture(states: list[TableState], last: date) -> bytes:
    """A PNG that is legible on a phone: a row of days per table, and the share of failing rows of rules that block."""
    series = _series(states)
    heights = [0.4 + 0.36 * len(states), 1.3 + 0.15 * len(series)][: 1 + bool(series)]
    figure = Figure(figsize=(4.2, sum(heights)), dpi=240, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    parts = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
    _strip(parts[0][0], states, last)
    if series:
        _shares(parts[1][0], series)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _strip(axes: Axes, states: list[TableState], last: date) -> None:
    window = _window(last)
    for row, state in enumerate(states):
        worst = _worst_by_day(state)
        axes.text(-0.46, row - 0.22, state.table.name, fontsize=7, color=INK, va="bottom", parse_math=False)
        for column, day in enumerate(window):
            verdict = worst[day]
            axes.barh(row, 0.92, left=column - 0.46, height=0.42, color=COLORS[verdict])
            axes.text(column, row, MARKS[verdict], color="white", ha="center", va="center", fontsize=7, weight="bold")
    axes.set_yticks([])
    axes.set_ylim(len(states) - 0.75, -0.65)
    axes.set_xlim(-0.5, DAYS - 0.5)
    axes.set_xticks(range(DAYS), [_label(d, d == window[0]) for d in window], fontsize=7)
    _plain_axes(axes, "Gates by day: green passed, ! warned, ✕ failed, gray none")


def _worst_by_day(state: TableState) -> dict[date, str]:
    worst: dict[date, str] = defaultdict(lambda: IDLE)
    for entry in state.history:
        day = entry.started_at.date()
        worst[day] = min(worst[day], verdict_of(entry), key=(FAILED, WARNED, PASSED, IDLE).index)
    return worst


def _label(day: date, first: bool) -> str:
    return f"{day:%-d}\n{day:%b}" if first or day.day == 1 else f"{day:%-d}"


def _plain_axes(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=8, loc="left", color=INK, parse_math=False)
    axes.tick_params(length=0, labelcolor=INK)
    for side in axes.spines.values():
        side.set_visible(False)


def _series(states: list[TableState]) -> dict[str, list[float]]:
    """Blocking rule -> percent of failing rows in each of the last runs, oldest first; 0 where the rule held."""
    found: dict[str, list[float]] = {}
    for state in states:
        for finding in state.findings:
            if finding.blocks and finding.count is not None and finding.of:
                runs = [e for e in state.history if e.started_at <= finding.at][-RUNS:]
                found.setdefault(f"{state.table.name}: {finding.rule}", [_share(e, finding) for e in runs])
    return dict(list(found.items())[: len(LINES)])


def _share(entry: Entry, finding: Finding) -> float:
    rows = entry.metrics.get("rows_refused")
    shares = [
        100 * f["count"] / (f["of"] or rows)
        for f in json.loads(entry.failures)
        if plain(f["rule"]) == finding.rule and f["count"] is not None and (f["of"] or rows)
    ]
    return max(shares, default=0.0)


def _shares(axes: Axes, series: dict[str, list[float]]) -> None:
    for color, (label, shares) in zip(LINES, series.items(), strict=False):
        runs = range(1 - len(shares), 1)
        named = f"{shares[-1]:.2f} %  {label}"
        axes.plot(runs, shares, color=color, marker="o", markersize=3, linewidth=1.4, label=named, clip_on=False)
    axes.set_ylim(0, 1.1 * max(max(shares) for shares in series.values()) or 1)
    axes.set_xlim(-RUNS + 0.5, 0.5)
    axes.set_xticks(range(0, -RUNS, -5), ["last", *[str(back) for back in range(-5, -RUNS, -5)]], fontsize=7)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.grid(axis="y", color="#dfe3e8", linewidth=0.6)
    axes.tick_params(axis="y", labelsize=7)
    legend = axes.legend(fontsize=6, frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 0.98), borderpad=0)
    for text in legend.get_texts():
        text.set_parse_math(False)
    axes.set_xlabel("Runs: share of failing rows, of rules that block now", fontsize=7, color=INK)
    _plain_axes(axes, "")
