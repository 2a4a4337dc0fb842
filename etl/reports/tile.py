"""A tile of a page: one number, what it means, its interval when it has one, and whether it is within its limit.

A tile warns only when a stated limit is broken: a limit of the specification, or an interval that lies on the wrong
side of zero change. A number without a stated limit is shown without a judgment.
"""

from __future__ import annotations

from dataclasses import dataclass

from etl.reports.axes import Format
from etl.reports.intervals import Estimate


@dataclass(frozen=True)
class Tile:
    """`value` is the text the tile shows, `raw` the number behind it, None without data.

    `state` is `ok`, `watch` or `alarm` when a limit judges the number, `plain` when none does, `none` without data.
    """

    name: str
    title: str
    value: str
    raw: float | None
    state: str
    detail: str


def no_data(name: str, title: str, reason: str) -> Tile:
    """A tile without a number."""
    return Tile(name, title, "no data", None, "none", reason)


def signed(text: str) -> str:
    """`3` -> `+3`; `-3` keeps its sign, written as a minus."""
    return text.replace("-", "\u2212") if text.startswith("-") else f"+{text}"


def points(value: float) -> str:
    """A difference of two shares in percentage points: 0.0031 -> +0.31."""
    return signed(f"{100 * value:.2f}")


def interval_text(estimate: Estimate, form: Format) -> str:
    """The interval of an estimate in words."""
    if estimate.low is None or estimate.high is None:
        return "no interval: fewer than 3 hours"
    return f"95 % interval {form(estimate.low)} to {form(estimate.high)}"


def state_of_change(change: Estimate, *, good_is_up: bool) -> str:
    """The state of a tile that shows a change.

    `ok`: the whole interval is an improvement. `alarm`: the whole interval is a decline. `watch`: the interval holds
    0 and the value is a decline. `plain`: the interval holds 0 and the value is no decline.
    """
    low, high, value = change.low or 0.0, change.high or 0.0, change.value
    low, high, value = (low, high, value) if good_is_up else (-high, -low, -value)
    if low > 0:
        return "ok"
    return "alarm" if high < 0 else "watch" if value < 0 else "plain"
