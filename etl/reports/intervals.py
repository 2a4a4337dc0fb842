"""95 % confidence intervals from the columns of rollups: counts, distinct viewers, hours.

Impressions of one viewer are not independent. The effective size of a rate is therefore its number of distinct viewers.
The interval is too wide when viewers behave alike, but it is never too narrow because of repeated impressions. The
interval of a mean comes from the variation between hours. These intervals do not decide about a model: the analysis of
an experiment does.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import NormalDist

from scipy.stats import t as student

Z = NormalDist().inv_cdf(0.975)
MIN_HOURS = 3  # fewer hours say nothing about the variation between hours


@dataclass(frozen=True)
class Estimate:
    """A value and its interval; `low` and `high` are None when there is too little data."""

    value: float
    low: float | None = None
    high: float | None = None


def rate(count: float, of: float, viewers: float) -> Estimate | None:
    """count / of with Wilson's interval, whose sample size is min(of, viewers). None when a denominator is 0."""
    size = min(of, viewers)
    if size <= 0:
        return None
    share = min(1.0, count / of)
    center = (share + Z * Z / (2 * size)) / (1 + Z * Z / size)
    half = Z * sqrt(share * (1 - share) / size + Z * Z / (4 * size * size)) / (1 + Z * Z / size)
    return Estimate(count / of, max(0.0, center - half), center + half)


def mean(sums: list[float], counts: list[float]) -> Estimate | None:
    """Sum / count over all hours, with the interval of the ratio estimator over hours. None when the count is 0."""
    total = sum(counts)
    if total <= 0:
        return None
    value, n = sum(sums) / total, len(sums)
    if n < MIN_HOURS:
        return Estimate(value)
    squares = sum((s - value * c) ** 2 for s, c in zip(sums, counts, strict=True))
    half = student.ppf(0.975, n - 1) * sqrt(squares * n / (n - 1)) / total
    return Estimate(value, max(0.0, value - half), value + half)


def lift(new: Estimate | None, base: Estimate | None, new_size: float, base_size: float) -> Estimate | None:
    """new / base - 1 of two rates, with the interval on the log scale. None when either rate is 0 or missing."""
    if not new or not base or not new.value or not base.value:
        return None
    ratio = new.value / base.value
    variance = [max(0.0, 1 - e.value) / (e.value * size) for e, size in ((new, new_size), (base, base_size))]
    half = Z * sqrt(sum(variance))
    return Estimate(ratio - 1, exp(log(ratio) - half) - 1, exp(log(ratio) + half) - 1)


def difference(new: Estimate | None, base: Estimate | None) -> Estimate | None:
    """new - base, with Newcombe's interval from both intervals. None when either estimate or interval is missing."""
    if not new or not base or new.low is None or new.high is None or base.low is None or base.high is None:
        return None
    value = new.value - base.value
    low = value - sqrt((new.value - new.low) ** 2 + (base.high - base.value) ** 2)
    high = value + sqrt((new.high - new.value) ** 2 + (base.value - base.low) ** 2)
    return Estimate(value, low, high)
