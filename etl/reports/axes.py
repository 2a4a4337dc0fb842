"""The axes of charts, and how values and hours are written on them. Values start at zero."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import FuncFormatter, MaxNLocator

from etl.reports import figure as fig

HALF, HALF_DAY = 0.5 / 24, 0.5  # half an hour and half a day, in the days of Matplotlib
Hours = Sequence[datetime]
ByHour = Mapping[datetime, float | None]
Format = Callable[[float], str]
Level = tuple[float, str]  # a reference value and its label


def percent(value: float) -> str:
    """0.0312 -> 3.12 %."""
    return f"{100 * value:.3g} %" if abs(value) < 0.995 else f"{100 * value:.0f} %"


def number(value: float) -> str:
    """12345.6 -> 12,346; a small fraction keeps two digits."""
    return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.2g}"


def hour(when: datetime) -> str:
    """An hour as tables write it: 2026-06-01 10:00."""
    return f"{when:%Y-%m-%d %H:00}"


def days(hours: Iterable[datetime]) -> list[float]:
    """Instants as Matplotlib numbers, in days."""
    return [float(date2num(h)) for h in hours]


def time_axis(axes: Axes, low: float, high: float) -> None:
    """Limit the axis to two instants, with few and short ticks."""
    locator = AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlim(low, high)
    axes.grid(visible=False, axis="x")


def hour_axis(axes: Axes, hours: Hours, with_data: set[datetime], half: float = HALF) -> None:
    """Set the time axis to all hours (days when `half` is HALF_DAY), and shade those without data."""
    for day in days(h for h in hours if h not in with_data):
        axes.axvspan(day - half, day + half, facecolor=fig.BAND, edgecolor="none", zorder=0)
    first, last = days([hours[0], hours[-1]])
    time_axis(axes, first - half, last + half)


def value_axis(axes: Axes, form: Format) -> None:
    """Let the values start at zero, with few ticks."""
    axes.set_ylim(bottom=0)
    ticks(axes, "y", form)


def ticks(axes: Axes, which: str, form: Format) -> None:
    """Few and formatted ticks of one axis, `x` or `y`."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _place: form(value)))
    axis.set_major_locator(MaxNLocator(4, integer=form is number))
    axes.grid(visible=False, axis="y" if which == "x" else "x")


def draw_level(axes: Axes, level: Level) -> None:
    """A dashed line at a reference value, with its label."""
    value, label = level
    axes.axhline(value, color=fig.MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.set_ylim(top=max(axes.get_ylim()[1], value * 1.3))
    place: Any = {"xycoords": ("axes fraction", "data"), "xytext": (0, 4), "textcoords": "offset points"}
    behind = {"facecolor": fig.CARD, "edgecolor": "none", "pad": 1.5, "alpha": 0.85}
    axes.annotate(label, (1, value), ha="right", va="bottom", fontsize=9, color=fig.MUTED, bbox=behind, **place)
