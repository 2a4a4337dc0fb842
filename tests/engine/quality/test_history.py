"""A value of an hour is judged by the same hours of the weeks before it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from support import simulated_history
from support.simulated_history import Case, simulate

from etl.engine.quality.history import HOURS_OF_WEEK, Calendar, Judgment, Kind, Matrix, Past, expected_rows, judge
from etl.engine.quality.history_categories import judge_categories

NOW = datetime(2026, 6, 29, 10, tzinfo=UTC)
HOURS = pd.date_range(NOW - timedelta(weeks=4), NOW, freq="h", inclusive="left")


def at(now: datetime, hours: pd.DatetimeIndex, calendar: Calendar) -> Past:
    """The hours before an hour in a calendar."""
    return Past(calendar.numbers(hours), int(calendar.numbers([now])[0]))


PAST = at(NOW, HOURS, Calendar())
WEEK_OF = np.arange(len(HOURS)) // HOURS_OF_WEEK
"""0 for the oldest of the four weeks."""


def noisy(level: float, noise: float = 0.05) -> Matrix:
    """Four weeks of values around a level, with a pattern of the day."""
    pattern = 1 + 0.5 * np.sin(np.arange(len(HOURS)) % 24 / 24 * 2 * np.pi)
    return np.asarray(level * pattern / pattern[0] * np.exp(np.random.default_rng(1).normal(0, noise, len(HOURS))))


def of(values: Matrix, observed: float, kind: Kind = "count", rows: float | None = 5000) -> Judgment:
    """The judgment on a value of the hour after four weeks."""
    return judge(PAST, values, observed, kind, rows, 4)


def test_the_hour_of_the_week_is_compared_and_not_the_hour_before() -> None:
    night, day = 100.0, 10_000.0
    values = np.where(np.arange(len(HOURS)) % 24 == 0, night, day)  # NOW and the same hours before are quiet
    assert of(values, night).verdict == "passed"
    assert of(values, day).verdict == "failed"


def test_steady_growth_is_no_change_and_a_stop_of_it_is_one() -> None:
    grown = noisy(5000, 0.01) * 1.2**WEEK_OF
    found = of(grown, 5000 * 1.2**4)
    assert found.verdict == "passed"
    assert found.expected == pytest.approx(5000 * 1.2**4, rel=0.03)
    assert of(grown, 5000 * 1.2**2.5).verdict == "failed"  # the plain median of the weeks


def test_the_band_is_four_times_the_noise_and_at_least_eight_percent() -> None:
    calm, rough = of(noisy(5000, 0.0), 5000), of(noisy(5000, 0.1), 5000)
    assert calm.low == pytest.approx(5000.5 * np.exp(-0.08) - 0.5)
    assert rough.low is not None
    assert rough.low < 5000 * np.exp(-4 * 0.1)


def test_three_weeks_are_enough_and_two_are_not() -> None:
    values = noisy(5000)
    assert of(np.where(WEEK_OF == 2, np.nan, values), 5000).verdict == "passed"
    two = of(np.where((WEEK_OF == 2) | (WEEK_OF == 1), np.nan, values), 5000)
    assert (two.verdict, two.why) == ("none", "fewer than 3 of the last 4 weeks have this hour")


def test_few_comparable_hours_give_no_verdict() -> None:
    values = np.where(np.arange(len(HOURS)) % 24 < 10, noisy(5000), np.nan)
    assert of(values, 5000).why == "280 hours of the last 4 weeks can be compared, and 300 are needed"


def test_amounts_need_a_hundred_expected_rows_and_shares_a_thousand() -> None:
    assert of(noisy(7.5), 7.5, "amount", 99).verdict == "none"
    assert of(noisy(7.5), 7.5, "amount", 100).verdict == "passed"
    assert of(noisy(0.2), 0.2, "share", 999).verdict == "none"
    assert of(noisy(0.2), 0.2, "share", 1000).verdict == "passed"


@pytest.mark.parametrize("observed", [0.0, -3.0])
def test_an_amount_that_is_not_positive_is_an_alarm(observed: float) -> None:
    assert of(noisy(7.5), observed, "amount").verdict == "failed"


def test_no_rows_at_all_is_an_alarm() -> None:
    assert of(noisy(5000), 0).verdict == "failed"


def test_a_share_must_change_by_more_than_a_point() -> None:
    steady = np.full(len(HOURS), 0.02)  # its scale is 0
    assert of(steady, 0.029, "share").verdict == "passed"
    assert of(steady, 0.031, "share").verdict == "failed"


def test_a_holiday_is_neither_judged_nor_history() -> None:
    holiday = Calendar(holidays=frozenset({date(2026, 6, 22)}))  # a week before NOW
    numbers = holiday.numbers(HOURS)
    values = np.where(np.asarray(HOURS.normalize() == pd.Timestamp("2026-06-22", tz="UTC")), 1.0, noisy(5000))
    assert judge(Past(numbers, PAST.now), values, 5000, "count", None, 4).verdict == "passed"
    on_it = judge(at(datetime(2026, 6, 22, 3, tzinfo=UTC), HOURS, holiday), values, 1, "count", None, 4)
    assert on_it.why == "a holiday"


def test_the_hour_of_the_week_is_of_the_time_zone_also_when_clocks_change() -> None:
    """In Berlin 10:00 is 09:00 UTC in winter and 08:00 UTC in summer, from 2026-03-29 on."""
    berlin = Calendar("Europe/Berlin")
    now = datetime(2026, 4, 6, 8, tzinfo=UTC)
    hours = pd.date_range(now - timedelta(weeks=5), now, freq="h", inclusive="left")
    at_ten = np.asarray(hours.tz_convert("Europe/Berlin").hour == 10)
    values = np.where(at_ten, 9000.0, 100.0)
    assert expected_rows(at(now, hours, berlin), values) == pytest.approx(9000)
    assert expected_rows(at(now, hours, Calendar()), values) != pytest.approx(9000)


def test_categories_are_compared_as_one_index() -> None:
    usual = [{"home": 700, "search": 250, "profile": 50}] * len(HOURS)
    same = judge_categories(PAST, usual, {"home": 7000, "search": 2500, "profile": 500})
    moved = judge_categories(PAST, usual, {"home": 400, "search": 550, "profile": 50})
    slightly = judge_categories(PAST, usual, {"home": 560, "search": 360, "profile": 80})
    assert (same.verdict, same.observed) == ("passed", pytest.approx(0))
    assert (moved.verdict, moved.high) == ("failed", 0.25)
    expected = sum((n - u) * np.log(n / u) for u, n in ((0.7, 0.56), (0.25, 0.36), (0.05, 0.08)))
    assert slightly.observed == pytest.approx(expected, abs=1e-3)


def test_a_new_category_is_a_change_and_few_rows_have_no_verdict() -> None:
    usual = [{f"c{i}": 100 for i in range(12)}] * len(HOURS)
    new = judge_categories(PAST, usual, {f"c{i}": 100 for i in range(12)} | {"unknown": 900})
    assert new.verdict == "failed"
    assert judge_categories(PAST, usual, {"c1": 999}).verdict == "none"


def test_a_simulated_month_has_few_false_alarms_and_finds_drops() -> None:
    """One table of the twenty of the slow test."""
    found = simulate(Case(rows=5000, noise=0.05, drop=0.3, growth=0.03, tables=1))
    assert found.false_alarms <= 0.004
    assert found.found >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "false_alarms", "found"),
    [
        (Case(rows=5000, noise=0.05, drop=0.3), 0.002, 0.95),
        (Case(rows=5000, noise=0.05, drop=0.3, growth=0.03), 0.002, 0.95),
        (Case(rows=150, noise=0.05, drop=0.3), 0.003, 0),
        (Case(rows=5000, noise=0.15, drop=0.7), 0.002, 0.95),
        (Case(rows=5000, noise=0.15, drop=0.7, growth=0.03), 0.002, 0.95),
    ],
    ids=str,
)
def test_eight_weeks_of_twenty_tables(case: Case, false_alarms: float, found: float) -> None:
    verdicts = simulate(case)
    assert verdicts.false_alarms <= false_alarms
    assert verdicts.found >= found


@pytest.mark.slow
def test_a_failed_week_hardly_changes_verdicts() -> None:
    whole = simulate(Case(rows=5000, noise=0.05, drop=0.3))
    less = simulate(Case(rows=5000, noise=0.05, drop=0.3, failed_week=3))
    for before, after, most in ((whole.clean, less.clean, 0.001), (whole.dropped, less.dropped, 0.03)):
        both = ~np.isnan(before) & ~np.isnan(after)
        assert np.mean(before[both] != after[both]) <= most


def test_an_accepted_shift_has_no_verdict_until_three_weeks_of_it_are_known() -> None:
    both = simulate(Case(rows=5000, noise=0.05, drop=0.3, tables=2))
    shifted = both.clean[4 * HOURS_OF_WEEK :]  # the second table
    since = simulated_history.SHIFT_AT - simulated_history.FIRST_JUDGED
    assert np.isnan(shifted[since : since + 3 * HOURS_OF_WEEK]).all()
    assert np.nanmean(shifted[since + 3 * HOURS_OF_WEEK :]) <= 0.02
