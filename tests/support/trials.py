"""Simulated arms of an A/B test of two ranking models, as the moments that Spark computes."""

from __future__ import annotations

import numpy as np
from tea_tasting.aggr import Aggregates

from etl.subjects.feed.queries.lift import Judgement, Lift
from etl.subjects.feed.queries.lift_stages import Stage, Trial


def viewers(rng: np.random.Generator, size: int, lift: float = 0.0, harm: float = 0.0) -> dict[str, np.ndarray]:
    """Sums per viewer. Viewers differ in how much they see and how often they like; a few see very much."""
    impressions = 1 + rng.poisson(rng.gamma(1.2, 15, size))
    taste = rng.beta(4, 36, size)
    likes = rng.binomial(impressions, np.minimum(taste * (1 + lift), 1))
    regrets = rng.binomial(impressions, taste * 0.1 * (1 + lift))
    watched = rng.binomial(impressions, 0.9)
    return {
        "impressions": impressions,
        "likes": likes,
        "saves": rng.binomial(impressions, 0.02),
        "negatives": rng.binomial(impressions, min(0.02 * (1 + harm), 1)),
        "regrets": regrets,
        "likes_given": likes + regrets,
        "dwell_ms_sum": watched * rng.gamma(6, 150 * (1 + lift), size).round(),
        "dwell_count": watched,
    }


def moments(columns: dict[str, np.ndarray]) -> Aggregates:
    """The moments that Spark computes from the viewers of an arm."""
    names, values = list(columns), np.array(list(columns.values()), dtype=float)
    covariance = np.cov(values)
    pairs = {(a, b): covariance[i, j] for i, a in enumerate(names) for j, b in enumerate(names) if i < j}
    return Aggregates(
        values.shape[1],
        dict(zip(names, values.mean(axis=1), strict=True)),
        dict(zip(names, covariance.diagonal(), strict=True)),
        pairs,
    )


def of_equal_arms(control: Aggregates, treatment: Aggregates) -> Trial:
    """A test with two arms of equal planned size that no viewer saw both of, without CUPED."""
    return of_stages(Stage(control, treatment, treatment_share=0.5))


def of_stages(*stages: Stage) -> Trial:
    """A test that no viewer saw both models of, without CUPED."""
    return Trial(stages, crossovers=0, cuped=False, minimum_effect=0.05)


def by_metric(judged: Judgement) -> dict[str, Lift]:
    """The lifts by name."""
    return {lift.metric: lift for lift in judged.lifts}
