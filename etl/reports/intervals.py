"""95 % intervals from what rollups hold: counts, distinct viewers, hours.

Impressions of one viewer are not independent. A rate is therefore judged as if each distinct viewer had been asked
once (effective size = viewers): wider than the truth for an even crowd, never narrower by counting impressions. A mean
is judged by how much it differs between hours. Verdicts on models are for an experiment's analysis, not for these.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import NormalDist

from scipy.stats import t as student

Z = NormalDist().inv_cdf(0.975)
MIN_HOURS = 3  # fewer say nothing of how hours differ


@dataclass(frozen=True)
class Estimate:
    """A value and its interval; `low` and `high` are None when there is too little to tell."""

    value: float
    low: float | None = None
    high: float | None = None


def rate(count: float, of: float, viewers: float) -> Estimate | None:
    """Wilson's interval of count / of, with min(of, viewers) as its size. None without a denominator."""
    size = min(of, viewers)
    if size <= 0:
        return None
    share = min(1.0, count / of)
    centre = (share + Z * Z / (2 * size)) / (1 + Z * Z / size)
    half = Z * sqrt(share * (1 - share) / size + Z * Z / (4 * size * size)) / (1 + Z * Z / size)
    return Estimate(count / of, max(0.0, centre - half), centre + half)


def mean(sums: list[float], counts: list[float]) -> Estimate | None:
    """sum / count over hours, its interval from how the hours differ (ratio estimator). None without a count."""
    total = sum(counts)
    if total <= 0:
        return None
    value, n = sum(sums) / total, len(sums)
    if n < MIN_HOURS:
        return Estimate(value)
    range_partition = sum((s - value * c) ** 2 for s, c in zip(sums, counts, strict=True))
    half = student.ppf(0.975, n - 1) * sqrt(range_partition * n / (n - 1)) / total
    return Estimate(value, max(0.0, value - half), value + half)


def lift(new: Estimate | None, base: Estimate | None, new_size: float, base_size: float) -> Estimate | None:
    """new / base - 1 of two rates, its interval on the log scale. None when either is 0 or missing."""
    if not new or not base or not new.value or not base.value:
        return None
    ratio = new.value / base.value
    variance = [max(0.0, 1 - e.value) / (e.value * size) for e, size in ((new, new_size), (base, base_size))]
    half = Z * sqrt(sum(variance))
    return Estimate(ratio - 1, exp(log(ratio) - half) - 1, exp(log(ratio) + half) - 1)


def difference(new: Estimate | None, base: Estimate | None) -> Estimate | None:
    """new - base, its interval from those of both (Newcombe). None when either is missing."""
    if not new or not base or new.low is None or new.high is None or base.low is None or base.high is None:
        return None
    value = new.value - base.value
    low = value - sqrt((new.value - new.low) ** 2 + (base.high - base.value) ** 2)
    high = value + sqrt((new.high - new.value) ** 2 + (base.value - base.low) ** 2)
    return Estimate(value, low, high)
