"""Eight simulated weeks of row counts: hours of the day, weekdays, noise, growth, holidays and a level shift."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd

from etl.engine.quality.history import HOURS_OF_WEEK, Calendar, Matrix, Past, judge

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
WEEKS, FIRST_JUDGED = 8, 4 * HOURS_OF_WEEK
HOLIDAYS = {date(2026, 3, 17): 0.4, date(2026, 4, 9): 1.8}  # one in the history, one in a judged week; day -> factor
CALENDAR = Calendar("UTC", frozenset(HOLIDAYS))
HOURS = pd.date_range(START, periods=WEEKS * HOURS_OF_WEEK, freq="h")
NUMBERS = CALENDAR.numbers(HOURS)
SHIFTED, SHIFT_AT, SHIFT = 1, 4 * HOURS_OF_WEEK + 30, 1.5
"""The table whose level shifts, the hour from which on it does, and by which factor. Somebody accepts it there."""


@dataclass(frozen=True)
class Case:
    """What is simulated. rows: of the smallest hour. noise: relative. growth: a week. drop: share of rows that is lost.

    failed_week: a week that is no history, because its hours failed.
    """

    rows: int
    noise: float
    drop: float
    growth: float = 0.0
    tables: int = 20
    failed_week: int | None = None
    seed: int = 26


@dataclass(frozen=True)
class Verdicts:
    """The verdict of each judged hour of all tables: on the hour as it is, and with the drop. NaN: no verdict."""

    clean: Matrix
    dropped: Matrix

    @property
    def false_alarms(self) -> float:
        """The share of clean table-hours that raise an alarm."""
        return float(np.nanmean(self.clean))

    @property
    def found(self) -> float:
        """The share of drops that raise an alarm."""
        return float(np.nanmean(self.dropped))


def simulate(case: Case) -> Verdicts:
    """The verdicts of every hour of the last four weeks."""
    random = np.random.default_rng(case.seed)
    tables = [_verdicts(case, _counts(random, case, table), table) for table in range(case.tables)]
    clean, dropped = (np.concatenate(each) for each in zip(*tables, strict=True))
    return Verdicts(clean, dropped)


def _counts(random: np.random.Generator, case: Case, table: int) -> Matrix:
    """The rows of each hour of a table. The smallest hour of a usual week has `case.rows` rows on average."""
    number = np.arange(len(HOURS))
    of_day = 1 + 0.5 * np.sin((number % 24 - 8 - table % 5) / 24 * 2 * np.pi)
    of_week = np.where(number // 24 % 7 >= 5, 0.75, 1.0)
    level = case.rows / (0.5 * 0.75) * (1 + case.growth) ** (number / HOURS_OF_WEEK)
    factor = np.array([HOLIDAYS.get(hour.date(), 1.0) for hour in HOURS])
    factor *= np.where((table == SHIFTED) & (number >= SHIFT_AT), SHIFT, 1.0)
    expected = level * of_day * of_week * factor * (1 + random.normal(0, case.noise, len(HOURS)))
    return random.poisson(np.maximum(expected, 0)).astype(float)


def _verdicts(case: Case, counts: Matrix, table: int) -> tuple[Matrix, Matrix]:
    history = np.where(np.arange(len(HOURS)) // HOURS_OF_WEEK == case.failed_week, np.nan, counts)
    found = []
    for at in range(FIRST_JUDGED, len(HOURS)):
        known = np.where((table == SHIFTED) & (at >= SHIFT_AT) & (np.arange(len(HOURS)) < SHIFT_AT), np.nan, history)
        past = Past(NUMBERS, int(NUMBERS[at]))
        lost = round(counts[at] * (1 - case.drop))
        found.append([_alarm(past, known, observed) for observed in (counts[at], float(lost))])
    clean, dropped = np.array(found).T
    return clean, dropped


def _alarm(past: Past, history: Matrix, observed: float) -> float:
    verdict = judge(past, history, observed, "count", None, 4).verdict
    return np.nan if verdict == "none" else float(verdict == "failed")
