"""Compares two ranking models in an A/B test. The input is counts, means, variances and covariances; no Spark.

The unit is the viewer. Each metric is a ratio of sums over viewers; its variance comes from the delta method
(tea-tasting). When viewers have earlier days, CUPED removes the variance that their earlier behavior explains.
A metric rises or falls when its own 95 % interval excludes 0: every metric that must rise has to, which needs no
correction, and a correction would hide harm. P-values corrected for the number of metrics are for readers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import tea_tasting as tt

from etl.subjects.feed.queries.lift_stages import Trial, effective_viewers, standardized

METRICS = {
    "like_rate": ("likes", "impressions"),
    "save_rate": ("saves", "impressions"),
    "negative_rate": ("negatives", "impressions"),
    "regret_rate": ("regrets", "likes_given"),
    "dwell_per_impression": ("dwell_ms_sum", "impressions"),
    "avg_dwell_ms": ("dwell_ms_sum", "dwell_count"),
}
"""Metric -> numerator and denominator. `avg_dwell_ms` has no vote: posts that are swiped away before the first beat
leave its denominator and so raise it."""
MUST_RISE = ("like_rate", "dwell_per_impression")
MUST_NOT_RISE = ("negative_rate", "regret_rate")
ALPHA, POWER = 0.05, 0.8
SAMPLE_RATIO_ALPHA = 0.001  # the usual level for alarms: a mismatch is a bug in the test, not a result
MAX_CROSSOVERS = 0.05
ROUNDING = 1e-3  # a CUPED interval this much narrower than the plain one is only floating-point rounding error
MIN_VIEWERS = 100  # per arm; with fewer, the normal approximation of a ratio is not reliable
SHIP, HOLD, NOT_ENOUGH = "ship", "hold", "not enough data"


@dataclass(frozen=True)
class Lift:
    """The result for one metric. Differences are treatment minus control, with 95 % intervals; None is unknown."""

    metric: str
    control: float | None = None
    treatment: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    relative_lift: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    minimum_detectable: float | None = None
    """The smallest relative lift that the test finds with a power of 80 %."""
    standardized_difference: float | None = None
    """The difference at equal positions: each position bucket weighs as much as in the control. It has no vote."""
    left_out: float | None = None
    """The control's share of impressions at positions that standardized_difference leaves out."""

    @property
    def rises(self) -> bool:
        """Whether the interval of the difference is above 0."""
        return self.difference_low is not None and self.difference_low > 0

    @property
    def falls(self) -> bool:
        """Whether the interval of the difference is below 0."""
        return self.difference_high is not None and self.difference_high < 0


@dataclass(frozen=True)
class Judgement:
    """One lift per metric, the p-value of the sample-ratio check, and the verdict with its reason."""

    lifts: tuple[Lift, ...]
    sample_ratio_p: float | None
    verdict: str
    reason: str


def ratio(metric: str, cuped: bool) -> tt.RatioOfMeans:
    """A metric in the form that tea-tasting takes."""
    above, below = METRICS[metric]
    before = {"numer_covariate": f"pre_{above}", "denom_covariate": f"pre_{below}"} if cuped else {}
    return tt.RatioOfMeans(above, below, **before, confidence_level=1 - ALPHA)


def judge(trial: Trial) -> Judgement:
    """Analyze every metric and decide."""
    if min(trial.control.count(), trial.treatment.count()) < MIN_VIEWERS:
        return _too_few(trial)
    measurable = {m: _estimator(trial, m) for m in METRICS if _is_measurable(trial, m)}
    found = tt.Experiment({**measurable}).analyze(trial.arms, control="control")
    adjusted = tt.adjust_fwer(found, alpha=ALPHA, arbitrary_dependence=True, method="bonferroni") if measurable else {}
    adjusted_of: Any = next(iter(adjusted.values()), {})
    lifts = tuple(_at_equal_positions(trial, _lift(m, adjusted_of[m]) if m in measurable else Lift(m)) for m in METRICS)
    p = min(stage.sample_ratio_p for stage in trial.stages)
    return Judgement(lifts, p, *_verdict(trial, {lift.metric: lift for lift in lifts}, p))


def _at_equal_positions(trial: Trial, lift: Lift) -> Lift:
    difference, left_out = standardized(trial.stages, *METRICS[lift.metric])
    return replace(lift, standardized_difference=difference, left_out=left_out)


def _too_few(trial: Trial) -> Judgement:
    control, treatment = trial.viewers
    reason = f"{control} viewers belong to the control and {treatment} to the treatment; each needs {MIN_VIEWERS}"
    if trial.days_left_out:
        reason += f". A share changed on {trial.days_left_out} days, which are left out"
    return Judgement(tuple(Lift(m) for m in METRICS), None, NOT_ENOUGH, reason)


def _is_measurable(trial: Trial, metric: str) -> bool:
    """Whether both arms have a denominator, at least one arm has a numerator, and viewers differ."""
    above, below = METRICS[metric]
    arms = (trial.control, trial.treatment)
    has_counts = all(a.mean(below) > 0 for a in arms) and any(a.mean(above) > 0 for a in arms)
    return has_counts and sum(a.ratio_var(above, below) / a.count() for a in arms) > 0


def _estimator(trial: Trial, metric: str) -> tt.RatioOfMeans:
    """The metric with CUPED, or without it when earlier days are missing or explain all variance."""
    adjusted, plain = ratio(metric, cuped=True), ratio(metric, cuped=False)
    if not trial.cuped or not all(a.mean(f"pre_{c}") > 0 for a in trial.arms.values() for c in METRICS[metric]):
        return plain
    return adjusted if _width(trial, adjusted) > ROUNDING * _width(trial, plain) else plain


def _width(trial: Trial, metric: tt.RatioOfMeans) -> float:
    """The width of the interval of the metric; 0 when rounding errors make its variance zero or negative."""
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Any = metric.analyze(trial.arms, "control", "treatment")
    except ValueError:
        return 0.0
    return float(found.effect_size_ci_upper - found.effect_size_ci_lower)


def _lift(metric: str, found: Any) -> Lift:
    """The result of a metric from the corrected output of tea-tasting."""
    names = {
        "control": "control", "treatment": "treatment", "difference": "effect_size",
        "difference_low": "effect_size_ci_lower", "difference_high": "effect_size_ci_upper",
        "relative_lift": "rel_effect_size", "relative_low": "rel_effect_size_ci_lower",
        "relative_high": "rel_effect_size_ci_upper", "p_value": "pvalue", "p_adjusted": "pvalue_adj",
    }  # fmt: skip
    values = {field: float(found[key]) for field, key in names.items()}
    values["minimum_detectable"] = _minimum_detectable(values) if values["control"] else math.inf
    return Lift(metric, **{k: v if math.isfinite(v) else None for k, v in values.items()})


def _minimum_detectable(found: dict[str, float]) -> float:
    """The minimum detectable relative lift, from the standard error that the interval implies."""
    normal = NormalDist()
    error = (found["difference_high"] - found["difference_low"]) / 2 / normal.inv_cdf(1 - ALPHA / 2)
    return (normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)) * error / found["control"]


def _verdict(trial: Trial, lifts: dict[str, Lift], sample_ratio_p: float) -> tuple[str, str]:
    """The verdict and its reason: `ship` only when every MUST_RISE metric rises and no MUST_NOT_RISE metric does."""
    if reason := _missing(trial, sample_ratio_p):
        return NOT_ENOUGH, reason
    harmed = [f"{m} rises" for m in MUST_NOT_RISE if lifts[m].rises] + [
        f"{m} falls" for m in MUST_RISE if lifts[m].falls
    ]
    if harmed:
        return HOLD, " and ".join(harmed)
    flat = [m for m in MUST_RISE if not lifts[m].rises]
    if not flat:
        return SHIP, f"{' and '.join(MUST_RISE)} rise; {' and '.join(MUST_NOT_RISE)} do not rise"
    return HOLD, f"{' and '.join(flat)} did not rise; {'; '.join(_power(lifts[m], trial.minimum_effect) for m in flat)}"


def _missing(trial: Trial, sample_ratio_p: float) -> str:
    """Why there is no verdict; empty when there is one."""
    control, treatment = trial.viewers
    if trial.regret_known_from:
        return (
            f"regret rate is known from {trial.regret_known_from} on: earlier rows have no likes_given. Start there, "
            "or backfill the days whose facts are kept"
        )
    if sample_ratio_p < SAMPLE_RATIO_ALPHA:
        return (
            f"sample-ratio mismatch: {treatment} of {control + treatment} viewers had the treatment, which the shares "
            f"of a stage do not give (p = {sample_ratio_p:.2g}); there is no verdict"
        )
    if trial.crossovers > MAX_CROSSOVERS * (control + treatment):
        return f"{trial.crossovers} viewers saw both models: traffic is not split by viewer; there is no verdict"
    few = [f"{m}: {n:.0f} effective viewers of the {arm}" for m, arm, n in _effective(trial) if n < MIN_VIEWERS]
    return f"{'; '.join(few)}; each needs {MIN_VIEWERS}" if few else ""


def _effective(trial: Trial) -> Iterator[tuple[str, str, float]]:
    """(metric, arm, effective viewers of the numerator) of the metrics that have a vote."""
    for metric in (*MUST_RISE, *MUST_NOT_RISE):
        for arm in ("control", "treatment"):
            yield metric, arm, effective_viewers(trial.stages, arm, METRICS[metric][0])


def _power(lift: Lift, minimum_effect: float) -> str:
    if lift.minimum_detectable is None:
        return f"{lift.metric} has no data to measure"
    seen = f"the test detects lifts of {lift.metric} from {lift.minimum_detectable:.1%} on"
    return seen if lift.minimum_detectable <= minimum_effect else f"{seen}, but {minimum_effect:.1%} matters"
