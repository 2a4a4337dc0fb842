"""Judges a value of a table-hour by the table's own history: the same hours of the week before it. It needs no Spark.

The history of an hour is the four weeks before it, as a matrix: a row per week and a column per hour of the week. All
numbers below come from it, on the scale of the kind: log for counts and amounts, as they are for shares.

- *Trend*: the median change per week, over all pairs of weeks and the hours that both have. Each week is moved to now.
- *Baseline*: the median of the same hour of the week, over at least three weeks.
- *Scale*: 1.4826 times the median absolute residual of all hours. A residual leaves its own week out of its median.

An hour outside baseline plus or minus tolerance times scale is an alarm. See docs/specification/quality.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import combinations
from math import exp, inf, log
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WEEKS, MIN_WEEKS, HOURS_OF_WEEK = 4, 3, 168
MIN_OTHER_WEEKS = 2
"""A residual needs this many other weeks with the same hour."""
MIN_RESIDUALS = 300
MAD_TO_SIGMA = 1.4826
"""The standard deviation of normal noise is this many times its median absolute deviation."""
MIN_SCALE, MIN_POINT = 0.02, 0.01
"""Smallest scale on the log, and smallest change of a share that is an alarm."""
MIN_ROWS = {"count": 0, "amount": 100, "share": 1000}
"""Kind -> expected rows from which on its values are judged."""
Kind = Literal["count", "amount", "share"]
"""count: rows or distinct values. amount: sums, means, quantiles. share: a part of the rows, from 0 to 1."""
Verdict = Literal["passed", "failed", "none"]
FEW_WEEKS = f"fewer than {MIN_WEEKS} of the last {WEEKS} weeks have this hour"
Matrix = NDArray[np.float64]
Numbers = NDArray[np.int64]
HOLIDAY = -1
"""The number of every hour of a holiday: such an hour is neither judged nor history."""


@dataclass(frozen=True)
class Calendar:
    """The time zone of the hours of the week, and the days (in this zone) that are not like others."""

    zone: str = "UTC"
    holidays: frozenset[date] = frozenset()

    def numbers(self, hours: Sequence[datetime] | pd.DatetimeIndex) -> Numbers:
        """The number of each hour (UTC) in the zone: wall-clock hours since 1970; HOLIDAY on a holiday."""
        local = pd.DatetimeIndex(hours).tz_convert(self.zone).tz_localize(None)
        numbers = local.to_numpy("datetime64[h]").astype(np.int64)
        holidays = np.array(sorted(self.holidays), "datetime64[D]").astype(np.int64)
        return np.where(np.isin(numbers // 24, holidays), HOLIDAY, numbers)


@dataclass(frozen=True)
class Judgment:
    """The verdict on one value, in its own unit. `none` means that there was no verdict, and `why` says why not.

    expected: the baseline. low, high: the values that pass. For categories: the index and its two limits.
    """

    verdict: Verdict
    observed: float
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Past:
    """The hours that a table has values of, and the judged one, as numbers of a calendar.

    hours: a number for each value that a metric has. now: the judged hour; hours from it on do not count.
    """

    hours: Numbers
    now: int

    def weeks(self, values: Matrix) -> Matrix:
        """The values of the four weeks before now: week (the last one first) by hour of the week, NaN where none is.

        The first column is the same hour of the week as now.
        """
        weeks = np.full((WEEKS, HOURS_OF_WEEK), np.nan)
        back = self.now - self.hours
        used = (back >= 1) & (back <= WEEKS * HOURS_OF_WEEK) & (self.hours != HOLIDAY)
        back = back[used]
        weeks[(back - 1) // HOURS_OF_WEEK, back % HOURS_OF_WEEK] = values[used]
        return weeks


def judge(past: Past, values: Matrix, observed: float, kind: Kind, rows: float | None, tolerance: float) -> Judgment:
    """The judgment on a value by the earlier values. rows: the expected rows of the hour, None when unknown."""
    if past.now == HOLIDAY:
        return Judgment("none", observed, why="a holiday")
    if kind != "count" and (rows is None or rows < MIN_ROWS[kind]):
        return Judgment("none", observed, why=f"fewer than {MIN_ROWS[kind]} rows are expected")
    found = _baseline_and_scale(transformed(past.weeks(values), kind))
    if isinstance(found, str):
        return Judgment("none", observed, why=found)
    baseline, scale = found
    return _judgment(observed, kind, baseline, tolerance * (scale if kind == "share" else max(scale, MIN_SCALE)))


def expected_rows(past: Past, rows: Matrix) -> float | None:
    """The baseline of the row count of an hour; None when fewer than three weeks are known."""
    same = _moved_to_now(transformed(past.weeks(rows), "count"))[:, 0]
    return None if _known(same) < MIN_WEEKS else exp(_median(same)) - 0.5


def transformed(weeks: Matrix, kind: Kind) -> Matrix:
    """The values on the scale on which they are compared. An amount that is not positive has no place on it."""
    if kind == "share":
        return weeks
    shifted = weeks + 0.5 if kind == "count" else np.where(weeks > 0, weeks, np.nan)
    return np.asarray(np.log(shifted))


def _original(value: float, kind: Kind) -> float:
    return value if kind == "share" else exp(value) - (0.5 if kind == "count" else 0)


def _baseline_and_scale(weeks: Matrix) -> tuple[float, float] | str:
    """Baseline and scale of the judged hour; in place of them, why there are none."""
    moved = _moved_to_now(weeks)
    if _known(moved[:, 0]) < MIN_WEEKS:
        return FEW_WEEKS
    residuals = _residuals(moved)
    if len(residuals) < MIN_RESIDUALS:
        return f"{len(residuals)} hours of the last {WEEKS} weeks can be compared, and {MIN_RESIDUALS} are needed"
    return _median(moved[:, 0]), MAD_TO_SIGMA * float(np.median(np.abs(residuals)))


def _moved_to_now(weeks: Matrix) -> Matrix:
    """Each week moved to now by the trend, so that steady growth is no change."""
    slope = _trend(weeks)
    return np.asarray(weeks + slope * np.arange(1, WEEKS + 1)[:, None])


def _trend(weeks: Matrix) -> float:
    """The median change per week; 0 when no two weeks have an hour in common."""
    changes = [(weeks[new] - weeks[old]) / (old - new) for new, old in combinations(range(WEEKS), 2)]
    return _median(np.concatenate(changes))


def _residuals(moved: Matrix) -> Matrix:
    """Each value minus the median of the other weeks, where at least two other weeks have the hour."""
    found = []
    for week in range(WEEKS):
        others = np.delete(moved, week, axis=0)
        counts = np.sum(~np.isnan(others), axis=0)
        residual = moved[week] - _medians(others, counts)
        found.append(residual[(counts >= MIN_OTHER_WEEKS) & ~np.isnan(residual)])
    return np.concatenate(found)


def _medians(values: Matrix, counts: NDArray[np.int64]) -> Matrix:
    """The median of each column without its NaN; NaN sorts last. `counts`: values of each column."""
    ordered, columns = np.sort(values, axis=0), np.arange(values.shape[1])
    low, high = np.maximum(counts - 1, 0) // 2, counts // 2
    return np.asarray((ordered[low, columns] + ordered[np.minimum(high, len(values) - 1), columns]) / 2)


def _median(values: Matrix) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0


def _known(values: Matrix) -> int:
    return int(np.sum(~np.isnan(values)))


def _judgment(observed: float, kind: Kind, baseline: float, reach: float) -> Judgment:
    """The judgment by the distance to the baseline. A value without a logarithm is an alarm."""
    reach = max(reach, MIN_POINT) if kind == "share" else reach
    expected, low, high = (_original(baseline + side * reach, kind) for side in (0, -1, 1))
    inside = abs(_on_scale(observed, kind) - baseline) <= reach
    return Judgment("passed" if inside else "failed", observed, expected, low, high)


def _on_scale(observed: float, kind: Kind) -> float:
    """The value as it is compared; minus infinity for one without a logarithm."""
    if kind == "share":
        return observed
    shifted = observed + 0.5 * (kind == "count")
    return log(shifted) if shifted > 0 else -inf
