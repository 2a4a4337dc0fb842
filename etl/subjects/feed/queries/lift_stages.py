"""The stages of an A/B test of two ranking models, and the moments of an arm over all of them.

A stage is all time with one share each. Stages must not be pooled: with a ramp, more of the treatment's viewers come
from later days, and a day that differs from the others would look like an effect of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import tea_tasting as tt
from tea_tasting.aggr import Aggregates

Cells = Mapping[int, Mapping[str, float]]
"""Position bucket -> sums of a model at these positions, by the name of the column."""


@dataclass(frozen=True)
class Stage:
    """The viewers of both arms whose first impression is in a time of constant shares.

    treatment_share: the planned share of the treatment among the viewers of both arms.
    """

    control: Aggregates
    treatment: Aggregates
    treatment_share: float
    control_positions: Cells = field(default_factory=dict)
    treatment_positions: Cells = field(default_factory=dict)

    @property
    def weight(self) -> float:
        """The weight of the stage in both arms: n_c * n_t / (n_c + n_t); 0 when an arm has no viewer."""
        control, treatment = self.control.count(), self.treatment.count()
        return control * treatment / (control + treatment) if control and treatment else 0.0

    @property
    def sample_ratio_p(self) -> float:
        """The p-value of the numbers of viewers against the shares."""
        arms: dict[object, Aggregates] = {"control": self.control, "treatment": self.treatment}
        share = self.treatment_share
        return float(tt.SampleRatio(share / (1 - share)).analyze(arms, "control", "treatment").pvalue)


def pooled(stages: Sequence[Stage], arm: str) -> Aggregates:
    """The moments of `control` or `treatment` over all stages; without moments when no stage has both arms.

    A mean is the weighted mean of the stages. Variances and covariances are such that, divided by the number of
    viewers, they are those of the weighted means.
    """
    weighed = [(stage.weight, getattr(stage, arm)) for stage in stages if stage.weight]
    if not weighed:
        return Aggregates(count_=sum(getattr(stage, arm).count() for stage in stages))
    total = sum(weight for weight, _ in weighed)
    count = sum(moments.count() for _, moments in weighed)
    scale = [(weight / total, count * (weight / total) ** 2 / moments.count(), moments) for weight, moments in weighed]
    some = weighed[0][1]
    return Aggregates(
        count,
        {name: sum(share * moments.mean(name) for share, _, moments in scale) for name in some.mean_},
        {name: sum(factor * moments.var(name) for _, factor, moments in scale) for name in some.var_},
        {pair: sum(factor * moments.cov(*pair) for _, factor, moments in scale) for pair in some.cov_},
    )


def effective_viewers(stages: Sequence[Stage], arm: str, numerator: str) -> float:
    """(sum of y) ** 2 / sum of y ** 2 over the viewers of an arm: as many equal viewers would weigh the same."""
    total = squares = 0.0
    for moments in (getattr(stage, arm) for stage in stages):
        if n := moments.count():
            total += n * moments.mean(numerator)
            squares += (n - 1) * moments.var(numerator) + n * moments.mean(numerator) ** 2
    return total * total / squares if squares > 0 else 0.0


def standardized(stages: Sequence[Stage], above: str, below: str) -> tuple[float | None, float | None]:
    """The difference of above / below at equal positions, and the control's share of impressions that it leaves out.

    Within a stage: the sum over the positions of both models of the control's share of impressions * difference.
    Stages have the weights of `pooled`. (None, None) when no stage has positions of both models.
    """
    found = [(stage.weight, *_standardized(stage, above, below)) for stage in stages if stage.weight]
    known = [(weight, difference, left_out) for weight, difference, left_out in found if left_out < 1]
    total = sum(weight for weight, _, _ in known)
    if not total:
        return None, None
    return sum(w * d for w, d, _ in known) / total, sum(w * left_out for w, _, left_out in known) / total


def _standardized(stage: Stage, above: str, below: str) -> tuple[float, float]:
    control, treatment = stage.control_positions, stage.treatment_positions
    shown = sum(sums["impressions"] for sums in control.values())
    difference, left_out = 0.0, 1.0
    for position, sums in control.items():
        others = treatment.get(position, {})
        if sums[below] and others.get(below):
            share = sums["impressions"] / shown
            difference += share * (others[above] / others[below] - sums[above] / sums[below])
            left_out -= share
    return difference, max(0.0, left_out) if left_out > 1e-12 else 0.0


@dataclass(frozen=True)
class Trial:
    """The data of an A/B test: its stages and how the test was run.

    crossovers: the number of viewers that both models served; they are in the arm of their first impression. cuped:
    moments of `pre_*` columns are available and come from days before the treatment. minimum_effect: the smallest
    relative lift that matters. regret_known_from: the first day from which on likes given are known; None when they are
    known on all days. days, days_left_out: days compared, and days on which a share changed.
    """

    stages: tuple[Stage, ...]
    crossovers: int
    cuped: bool
    minimum_effect: float
    regret_known_from: date | None = None
    days: int = 1
    days_left_out: int = 0

    @cached_property
    def control(self) -> Aggregates:
        """The moments of the control over all stages."""
        return pooled(self.stages, "control")

    @cached_property
    def treatment(self) -> Aggregates:
        """The moments of the treatment over all stages."""
        return pooled(self.stages, "treatment")

    @property
    def arms(self) -> dict[object, Aggregates]:
        """Both arms by name, in the form that tea-tasting takes."""
        return {"control": self.control, "treatment": self.treatment}

    @property
    def viewers(self) -> tuple[int, int]:
        """The number of viewers of control and treatment."""
        return sum(s.control.count() for s in self.stages), sum(s.treatment.count() for s in self.stages)
