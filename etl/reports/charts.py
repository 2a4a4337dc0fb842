"""The chart types of the pages, as SVG. Bars and rates start at zero. An hour without data is a gap in the line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import nan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from etl.reports import figure as fig
from etl.reports.axes import (
    HALF,
    HALF_DAY,
    ByHour,
    Format,
    Hours,
    Level,
    days,
    draw_level,
    hour_axis,
    ticks,
    time_axis,
    value_axis,
)
from etl.reports.intervals import Estimate

MARKED = 48  # up to this many hours have a marker each
DAYS_NAMED = 7  # at most this many days have a label


def _legend(canvas: Canvas) -> None:
    canvas.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9, handlelength=1.6, columnspacing=1.2)


@fig.styled
def hourly_bars(name: str, hours: Hours, values: ByHour, form: Format, level: Level | None = None) -> str:
    """A bar per hour, from zero."""
    canvas, (axes,) = fig.canvas()
    known = {h: v for h, v in values.items() if v is not None}
    axes.bar(days(known), list(known.values()), width=1.6 * HALF, color=fig.SERIES[0])
    if level:
        draw_level(axes, level)
    hour_axis(axes, hours, set(known))
    value_axis(axes, form)
    return fig.inline(canvas, name)


@fig.styled
def split_bars(
    name: str, times: Hours, series: Mapping[str, ByHour], form: Format, *, stacked: bool, half: float = HALF
) -> str:
    """Bars of each series per hour (day when `half` is HALF_DAY), from zero: stacked, or side by side."""
    canvas, (axes,) = fig.canvas()
    columns = 1 if stacked else len(series)
    width, below = 1.6 * half / columns, dict.fromkeys(times, 0.0)
    for place, (label, values) in enumerate(series.items()):
        known = {t: v for t, v in values.items() if v is not None}
        offset = 0.0 if stacked else (place - (columns - 1) / 2) * width
        low = [below[t] if stacked else 0.0 for t in known]
        left, sizes = [d + offset for d in days(known)], list(known.values())
        axes.bar(left, sizes, width=width, bottom=low, color=fig.SERIES[place % len(fig.SERIES)], label=label)
        below |= {t: below[t] + v for t, v in known.items()}
    hour_axis(axes, times, {t for values in series.values() for t, v in values.items() if v is not None}, half)
    if half == HALF_DAY:
        named = times[:: -(-len(times) // DAYS_NAMED)]
        axes.set_xticks(days(named), [f"{day:%d %b}" for day in named])
    value_axis(axes, form)
    _legend(canvas)
    return fig.inline(canvas, name)


@fig.styled
def hourly_lines(
    name: str,
    hours: Hours,
    series: Mapping[str, ByHour],
    form: Format,
    bands: Mapping[str, Mapping[datetime, Estimate | None]] | None = None,
    level: Level | None = None,
) -> str:
    """A line per series, broken at a missing hour, with the interval of each point as a band."""
    canvas, (axes,) = fig.canvas()
    size = 3.5 if len(hours) <= MARKED else 0
    for place, (label, values) in enumerate(series.items()):
        tint, mark = fig.SERIES[place % len(fig.SERIES)], "os^Dv"[place % 5]
        points = [_or_nan(values.get(h)) for h in hours]
        axes.plot(days(hours), points, color=tint, marker=mark, markersize=size, label=label)
        if bands:
            _band(axes, hours, [bands[label].get(h) for h in hours], tint)
    if level:
        draw_level(axes, level)
    hour_axis(axes, hours, {h for values in series.values() for h, v in values.items() if v is not None})
    value_axis(axes, form)
    _legend(canvas)
    return fig.inline(canvas, name)


def _band(axes: Axes, hours: Hours, estimates: list[Estimate | None], tint: str) -> None:
    low = [_or_nan(e.low if e else None) for e in estimates]
    high = [_or_nan(e.high if e else None) for e in estimates]
    axes.fill_between(days(hours), low, high, color=tint, alpha=0.16, linewidth=0)


@fig.styled
def band(
    name: str,
    hours: Hours,
    values: ByHour,
    limits: Mapping[datetime, tuple[float, float]],
    alarms: set[datetime],
    form: Format,
) -> str:
    """A line over the band (lowest, highest) of each hour. A cross marks each alarm."""
    canvas, (axes,) = fig.canvas()
    low, high = ([limits[h][end] if h in limits else nan for h in hours] for end in (0, 1))
    axes.fill_between(days(hours), low, high, color=fig.SERIES[0], alpha=0.16, linewidth=0, label="expected")
    axes.plot(days(hours), [_or_nan(values.get(h)) for h in hours], color=fig.SERIES[0], label="value")
    marked = sorted(alarms)
    crosses = [_or_nan(values.get(h)) for h in marked]
    axes.plot(days(marked), crosses, "x", color=fig.ALARM, markersize=7, markeredgewidth=2, label="alarm")
    hour_axis(axes, hours, {h for h, v in values.items() if v is not None})
    value_axis(axes, form)
    _legend(canvas)
    return fig.inline(canvas, name)


def _or_nan(value: float | None) -> float:
    return nan if value is None else float(value)


@fig.styled
def bars(
    name: str,
    values: Mapping[str, float],
    form: Format,
    level: Level | None = None,
    tints: Mapping[str, str] | None = None,
) -> str:
    """A horizontal bar per name, from zero, with its value at its end."""
    canvas, (axes,) = fig.canvas(0.55 + 0.27 * len(values))
    places, sizes = range(len(values)), list(values.values())
    drawn = axes.barh(places, sizes, color=[(tints or {}).get(n, fig.SERIES[0]) for n in values], height=0.68)
    axes.bar_label(drawn, [form(v) for v in sizes], padding=4, fontsize=9, color=fig.INK)
    axes.set_yticks(places, list(values), fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, max([*sizes, level[0] if level else 0, 1e-9]) * 1.18)
    ticks(axes, "x", form)
    if level:
        axes.axvline(level[0], color=fig.ALARM, linewidth=1.2, linestyle=(0, (4, 3)))
        place: Any = {"xycoords": ("data", "axes fraction"), "xytext": (0, 3), "textcoords": "offset points"}
        axes.annotate(level[1], (level[0], 1), ha="center", va="bottom", fontsize=9, color=fig.MUTED, **place)
    return fig.inline(canvas, name)


@fig.styled
def forest(name: str, panels: Mapping[str, tuple[Mapping[str, Estimate | None], Format]]) -> str:
    """A panel per measure with its own axis from zero. Each panel has a dot with its interval per version."""
    count = max((len(versions) for versions, _form in panels.values()), default=1)
    canvas, found = fig.canvas(len(panels) * (0.5 + 0.24 * count), len(panels))
    for axes, (title, (versions, form)) in zip(found, panels.items(), strict=True):
        axes.set_title(title, loc="left", fontsize=9.5, color=fig.INK, pad=3)
        for place, estimate in enumerate(versions.values()):
            _dot(axes, place, estimate, form)
        axes.set_yticks(range(len(versions)), list(versions), fontsize=9)
        axes.set_ylim(len(versions) - 0.4, -0.6)
        reach = [e.high if e.high is not None else e.value for e in versions.values() if e]
        axes.set_xlim(0, (max(reach, default=0) or 1) * 1.3)
        ticks(axes, "x", form)
    return fig.inline(canvas, name)


def _dot(axes: Axes, place: int, estimate: Estimate | None, form: Format) -> None:
    label_style: Any = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "fontsize": 9}
    if estimate is None:
        axes.annotate("no data", (0, place), color=fig.MUTED, **label_style)
        return
    tint, end = fig.SERIES[place % len(fig.SERIES)], estimate.value
    if estimate.low is not None and estimate.high is not None:
        axes.plot([estimate.low, estimate.high], [place, place], color=tint, linewidth=2.4, alpha=0.55)
        end = estimate.high
    axes.plot([estimate.value], [place], marker="o", markersize=6, color=tint, linestyle="none")
    axes.annotate(form(estimate.value), (end, place), **label_style)


@fig.styled
def presence(
    name: str, hours: Hours, present: Mapping[str, set[datetime]], marked: Mapping[str, set[datetime]] | None = None
) -> str:
    """A row per name and a square per hour in `present`. A missing hour is empty, and a `marked` hour has a cross."""
    canvas, (axes,) = fig.canvas(0.5 + 0.22 * len(present))
    for place, (row, found) in enumerate(present.items()):
        crossed = (marked or {}).get(row, set())
        for part, color in ((found - crossed, fig.GOOD), (crossed, fig.ALARM)):
            starts = [day - 0.9 * HALF for day in days(sorted(part))]
            axes.barh([place] * len(starts), 1.8 * HALF, left=starts, height=0.72, color=color)
        centers = days(sorted(crossed))
        axes.plot(centers, [place] * len(centers), "x", color=fig.CARD, markersize=4, markeredgewidth=1.2)
    axes.set_yticks(range(len(present)), list(present), fontsize=8.5)
    axes.set_ylim(len(present) - 0.4, -0.6)
    axes.grid(visible=False)
    first, last = days([hours[0], hours[-1]])
    time_axis(axes, first - HALF, last + HALF)
    return fig.inline(canvas, name)
