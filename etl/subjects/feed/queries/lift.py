"""Judges a trial of two ranking models from the moments of its viewers. No Spark: counts, means, variances in.

The unit is the viewer. Each metric is a ratio of sums over viewers, its variance by the delta method (tea-tasting),
less what the same viewers' earlier behaviour explains (CUPED) where there is any. P-values of the metrics are corrected
by Holm; rising and falling are judged on corrected values for what a model must raise, on uncorrected ones for what it
must not, where a correction would hide harm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import tea_tasting as tt
from tea_tasting.aggr import Aggregates

METRICS = {
    "like_rate": ("likes", "impressions"),
    "save_rate": ("saves", "impressions"),
    "negative_rate": ("negatives", "impressions"),
    "regret_rate": ("regrets", "liked"),
    "avg_dwell_ms": ("dwell_ms_sum", "dwell_count"),
}
MUST_RISE = ("like_rate", "avg_dwell_ms")
MUST_NOT_RISE = ("negative_rate", "regret_rate")
ALPHA, POWER = 0.05, 0.8
SAMPLE_RATIO_ALPHA = 0.001  # the level experimenters alarm on: a mismatch is a bug, not a finding
MAX_CROSSOVERS = 0.05
ROUNDING = 1e-3  # an interval so much narrower than the plain one is what sums of floating-point numbers leave
MIN_VIEWERS = 100  # per arm; below, the normal approximation of a ratio is not to be trusted
SHIP, HOLD, NOT_ENOUGH = "ship", "hold", "not enough data"


@dataclass(frozen=True)
class Trial:
    """What is known of a trial: each arm's moments, and how it was run.

    treatment_share: of the viewers of both arms, those the treatment should have. crossovers: viewers both models
    served, in neither arm. cuped: the moments of `pre_*` columns are there and were made before the treatment.
    """

    control: Aggregates
    treatment: Aggregates
    treatment_share: float
    crossovers: int
    cuped: bool
    minimum_effect: float

    @property
    def arms(self) -> dict[object, Aggregates]:
        """As tea-tasting takes them."""
        return {"control": self.control, "treatment": self.treatment}

    @property
    def viewers(self) -> tuple[int, int]:
        """Viewers of control and treatment."""
        return self.control.count(), self.treatment.count()


@dataclass(frozen=True)
class Lift:
    """One metric; values that cannot be told are None. Differences are treatment minus control, at 95 %."""

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
    """The smallest relative lift that would be found four times in five."""

    @property
    def rises(self) -> bool:
        """Significantly, corrected for the number of metrics."""
        return self.p_adjusted is not None and self.p_adjusted < ALPHA and (self.difference or 0) > 0

    @property
    def falls(self) -> bool:
        """Significantly, corrected for the number of metrics."""
        return self.p_adjusted is not None and self.p_adjusted < ALPHA and (self.difference or 0) < 0

    @property
    def harms(self) -> bool:
        """Rises by its own interval, without correction."""
        return self.difference_low is not None and self.difference_low > 0


@dataclass(frozen=True)
class Judgement:
    """A lift per metric, the sample-ratio check, and the verdict with its reason."""

    lifts: tuple[Lift, ...]
    sample_ratio_p: float | None
    verdict: str
    reason: str


def ratio(metric: str, cuped: bool) -> tt.RatioOfMeans:
    """A metric as tea-tasting knows it."""
    above, below = METRICS[metric]
    before = {"numer_covariate": f"pre_{above}", "denom_covariate": f"pre_{below}"} if cuped else {}
    return tt.RatioOfMeans(above, below, **before, confidence_level=1 - ALPHA)


def judge(trial: Trial) -> Judgement:
    """Analyse every metric and decide."""
    if min(trial.viewers) < MIN_VIEWERS:
        return _too_few(trial)
    told = {m: _judged_by(trial, m) for m in METRICS if _can_be_told(trial, m)}
    found = tt.Experiment({**told}).analyze(trial.arms, control="control")
    adjusted = tt.adjust_fwer(found, alpha=ALPHA, arbitrary_dependence=True, method="bonferroni") if told else {}
    adjusted_of: Any = next(iter(adjusted.values()), {})
    lifts = tuple(_lift(m, adjusted_of[m]) if m in told else Lift(m) for m in METRICS)
    share = trial.treatment_share
    p = tt.SampleRatio(share / (1 - share)).analyze(trial.arms, "control", "treatment").pvalue
    return Judgement(lifts, p, *_verdict(trial, {lift.metric: lift for lift in lifts}, p))


def _too_few(trial: Trial) -> Judgement:
    control, treatment = trial.viewers
    reason = f"{control} viewers saw only the control and {treatment} only the treatment; each needs {MIN_VIEWERS}"
    if trial.crossovers:
        reason += f". {trial.crossovers} saw both: traffic is not split by viewer"
    return Judgement(tuple(Lift(m) for m in METRICS), None, NOT_ENOUGH, reason)


def _can_be_told(trial: Trial, metric: str) -> bool:
    """Both arms have a denominator, and there is something to vary."""
    above, below = METRICS[metric]
    arms = (trial.control, trial.treatment)
    return all(a.mean(below) > 0 for a in arms) and any(a.mean(above) > 0 for a in arms)


def _judged_by(trial: Trial, metric: str) -> tt.RatioOfMeans:
    """Less what earlier days explain; but not where they explain all, which leaves no variance to judge by."""
    adjusted, plain = ratio(metric, cuped=True), ratio(metric, cuped=False)
    if not trial.cuped or not all(a.mean(f"pre_{c}") > 0 for a in trial.arms.values() for c in METRICS[metric]):
        return plain
    return adjusted if _width(trial, adjusted) > ROUNDING * _width(trial, plain) else plain


def _width(trial: Trial, metric: tt.RatioOfMeans) -> float:
    """Of the metric's interval; nothing when rounding left no variance or one below zero."""
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Any = metric.analyze(trial.arms, "control", "treatment")
    except ValueError:
        return 0.0
    return float(found.effect_size_ci_upper - found.effect_size_ci_lower)


def _lift(metric: str, found: Any) -> Lift:
    """A metric's result, as tea-tasting gives it after the correction."""
    names = {
        "control": "control", "treatment": "treatment", "difference": "effect_size",
        "difference_low": "effect_size_ci_lower", "difference_high": "effect_size_ci_upper",
        "relative_lift": "rel_effect_size", "relative_low": "rel_effect_size_ci_lower",
        "relative_high": "rel_effect_size_ci_upper", "p_value": "pvalue", "p_adjusted": "pvalue_adj",
    }  # fmt: skip
    values = {ours: float(found[theirs]) for ours, theirs in names.items()}
    values["minimum_detectable"] = _minimum_detectable(values) if values["control"] else math.inf
    return Lift(metric, **{k: v if math.isfinite(v) else None for k, v in values.items()})


def _minimum_detectable(found: dict[str, float]) -> float:
    """Relative; from the interval's own standard error."""
    normal = NormalDist()
    error = (found["difference_high"] - found["difference_low"]) / 2 / normal.inv_cdf(1 - ALPHA / 2)
    return (normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)) * error / found["control"]


def _verdict(trial: Trial, lifts: dict[str, Lift], sample_ratio_p: float) -> tuple[str, str]:
    """`ship` iff what must rise does and what must not does not; else why not."""
    control, treatment = trial.viewers
    if sample_ratio_p < SAMPLE_RATIO_ALPHA:
        return NOT_ENOUGH, (
            f"sample-ratio mismatch: {treatment} of {control + treatment} viewers had the treatment where "
            f"{trial.treatment_share:.1%} should have (p = {sample_ratio_p:.2g}); the verdict is withheld"
        )
    if trial.crossovers > MAX_CROSSOVERS * (control + treatment + trial.crossovers):
        return (
            NOT_ENOUGH,
            f"{trial.crossovers} viewers saw both models: traffic is not split by viewer; the verdict is withheld",
        )
    harmed = [f"{m} rises" for m in MUST_NOT_RISE if lifts[m].harms] + [
        f"{m} falls" for m in MUST_RISE if lifts[m].falls
    ]
    if harmed:
        return HOLD, " and ".join(harmed)
    flat = [m for m in MUST_RISE if not lifts[m].rises]
    if not flat:
        return SHIP, "like_rate and avg_dwell_ms rise, neither negative_rate nor regret_rate does"
    unseen = [m for m in flat if (lifts[m].minimum_detectable or math.inf) > trial.minimum_effect]
    if unseen:
        return NOT_ENOUGH, "; ".join(_unseen(lifts[m], trial.minimum_effect) for m in unseen)
    return HOLD, f"{' and '.join(flat)} would have shown a rise of {trial.minimum_effect:.1%}, and did not"


def _unseen(lift: Lift, minimum_effect: float) -> str:
    if lift.minimum_detectable is None:
        return f"{lift.metric} has nothing to be measured by"
    return (
        f"{lift.metric} could show a lift of {lift.minimum_detectable:.1%} at the least, {minimum_effect:.1%} matters"
    )
