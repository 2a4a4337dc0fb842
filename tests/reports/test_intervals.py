"""Confidence intervals from counts, viewers and hours."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from scipy.stats import binomtest

from etl.reports.intervals import Estimate, difference, lift, mean, rate


def known(estimate: Estimate | None) -> tuple[float, float, float]:
    """(low, value, high) of an estimate that has an interval."""
    assert estimate and estimate.low is not None and estimate.high is not None
    return estimate.low, estimate.value, estimate.high


def test_a_rate_of_independent_impressions_has_the_wilson_interval() -> None:
    """With as many viewers as impressions, the interval equals the one of scipy."""
    wilson = binomtest(37, 1000).proportion_ci(method="wilson")

    found = rate(37, 1000, 1000)

    assert found and astuple(found) == pytest.approx((0.037, wilson.low, wilson.high))


def test_fewer_viewers_make_a_wider_interval_around_the_same_rate() -> None:
    low, value, high = known(rate(300, 10_000, 10_000))
    wide_low, same, wide_high = known(rate(300, 10_000, 1_000))

    assert value == same
    assert wide_low < low < high < wide_high


def test_a_rate_without_a_denominator_is_none() -> None:
    assert rate(0, 0, 0) is None


def test_a_mean_weights_all_hours_by_their_counts() -> None:
    low, value, high = known(mean([100, 900, 100], [1, 3, 1]))

    assert value == 1100 / 5
    assert low < value < high


def test_equal_hours_give_an_interval_of_width_zero() -> None:
    assert mean([20, 40, 60], [2, 4, 6]) == Estimate(10, 10, 10)


def test_two_hours_are_too_few_for_an_interval() -> None:
    assert mean([20, 50], [2, 4]) == Estimate(70 / 6)


def test_the_lift_of_equal_rates_is_zero_and_its_interval_contains_zero() -> None:
    same = rate(50, 1000, 1000)

    low, value, high = known(lift(same, same, 1000, 1000))

    assert value == 0 and low < 0 < high


def test_a_clear_lift_has_an_interval_above_zero() -> None:
    low, value, _ = known(lift(rate(1200, 10_000, 10_000), rate(1000, 10_000, 10_000), 10_000, 10_000))

    assert value == pytest.approx(0.2) and low > 0


def test_a_lift_over_a_zero_rate_is_none() -> None:
    assert lift(rate(5, 100, 100), rate(0, 100, 100), 100, 100) is None


def test_a_difference_is_new_minus_base() -> None:
    low, value, high = known(difference(rate(30, 1000, 1000), rate(10, 1000, 1000)))

    assert value == pytest.approx(0.02) and 0 < low < value < high
