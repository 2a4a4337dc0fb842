"""The stages of ranker_lift: times of equal shares are compared one by one, and positions like with like."""

from __future__ import annotations

import numpy as np
import pytest
from support.trials import by_metric, moments, of_equal_arms, of_stages, viewers

from etl.subjects.feed.queries.lift import judge
from etl.subjects.feed.queries.lift_stages import Stage, standardized


def ramp(rng: np.random.Generator, lift: float = 0.0) -> list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """A weekday with 5 % treatment and a Sunday with 50 %, on which everybody likes half as much again."""
    return [
        (viewers(rng, 5_700, day), viewers(rng, 300, (1 + day) * (1 + lift) - 1)) if day == 0
        else (viewers(rng, 3_000, day), viewers(rng, 3_000, (1 + day) * (1 + lift) - 1))
        for day in (0.0, 0.5)
    ]  # fmt: skip


def test_a_ramp_is_compared_stage_by_stage() -> None:
    """Pooled, the treatment seems to be better, because more of its viewers come from Sunday."""
    rng = np.random.default_rng(18)
    lifts, pooled_lifts = [], []
    for _ in range(30):
        (c1, t1), (c2, t2) = ramp(rng)
        stages = Stage(moments(c1), moments(t1), 0.05), Stage(moments(c2), moments(t2), 0.5)
        lifts.append(by_metric(judge(of_stages(*stages)))["like_rate"].relative_lift or 0)
        together = [moments({k: np.concatenate([a[k], b[k]]) for k in a}) for a, b in ((c1, c2), (t1, t2))]
        pooled_lifts.append(by_metric(judge(of_equal_arms(*together)))["like_rate"].relative_lift or 0)
    assert np.mean(pooled_lifts) > 0.1
    assert abs(np.mean(lifts)) < 0.02


def test_one_interval_in_twenty_of_a_ramp_misses_zero() -> None:
    misses = 0
    for i in range(300):
        (c1, t1), (c2, t2) = ramp(np.random.default_rng([19, i]))
        stages = Stage(moments(c1), moments(t1), 0.05), Stage(moments(c2), moments(t2), 0.5)
        lift = by_metric(judge(of_stages(*stages)))["like_rate"]
        misses += (lift.difference_low or 0) > 0 or (lift.difference_high or 0) < 0
    assert 0.02 < misses / 300 < 0.09


def test_a_difference_is_standardized_to_the_positions_of_the_control() -> None:
    """The treatment shows fewer posts far down, where nobody likes. At equal positions, it is no better."""
    control = {0: (100, 20), 6: (100, 9), 21: (300, 3)}
    treatment = {0: (200, 40), 21: (100, 1)}
    at = [{bucket: {"impressions": n, "likes": k} for bucket, (n, k) in of.items()} for of in (control, treatment)]
    arm = moments(viewers(np.random.default_rng(20), 500))

    found = standardized([Stage(arm, arm, 0.5, at[0], at[1])], "likes", "impressions")

    naive = 41 / 300 - 32 / 500
    assert naive > 0.07
    assert found == (pytest.approx(0), pytest.approx(0.2))  # a fifth of the control has a position of its own
