"""The statistics of ranker_lift: intervals have their stated coverage, and a broken test gets no verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from support.trials import by_metric, moments, of_equal_arms, of_stages, viewers
from tea_tasting.aggr import Aggregates

from etl.subjects.feed.queries.lift import METRICS, Judgement, Lift, judge
from etl.subjects.feed.queries.lift_stages import Stage, Trial

TRIALS = 1000
MAX_SHARE = 0.071
"""With a true rate of 5 %, the share among 1,000 trials exceeds this limit once in a thousand times."""


def trial(rng: np.random.Generator, size: int = 500, lift: float = 0.0, harm: float = 0.0) -> Trial:
    """A test with two arms of equal size. In the treatment, `lift` raises likes and dwell, and `harm` raises hides."""
    return of_equal_arms(moments(viewers(rng, size)), moments(viewers(rng, size, lift, harm)))


@pytest.fixture(scope="module")
def same_against_same() -> list[Judgement]:
    """The results of a thousand tests of a model against itself."""
    return [judge(trial(np.random.default_rng([1, i]))) for i in range(TRIALS)]


def share(found: Iterator[bool]) -> float:
    """The share of the trials for which a condition is true."""
    return sum(found) / TRIALS


@pytest.mark.parametrize("metric", METRICS)
def test_one_interval_in_twenty_misses_zero_when_there_is_no_difference(
    same_against_same: list[Judgement], metric: str
) -> None:
    lifts = [by_metric(judged)[metric] for judged in same_against_same]
    misses = share((lift.difference_low or 0) > 0 or (lift.difference_high or 0) < 0 for lift in lifts)
    assert 0.029 < misses < MAX_SHARE


def test_at_most_one_trial_in_twenty_finds_any_difference_when_there_is_none(
    same_against_same: list[Judgement],
) -> None:
    """Without correction, five metrics at 5 % each find a difference in every fourth or fifth trial."""
    found = share(any((lift.p_adjusted or 1) < 0.05 for lift in judged.lifts) for judged in same_against_same)
    uncorrected = share(any((lift.p_value or 1) < 0.05 for lift in judged.lifts) for judged in same_against_same)
    assert found < MAX_SHARE < uncorrected


def test_a_model_without_a_difference_is_not_shipped(same_against_same: list[Judgement]) -> None:
    assert share(judged.verdict == "ship" for judged in same_against_same) < 0.01


def test_intervals_over_single_impressions_would_find_false_differences() -> None:
    """This is why the unit is the viewer: a binomial interval over impressions is too narrow."""
    misses = 0
    for i in range(TRIALS):
        a, b = (viewers(np.random.default_rng([2, i, arm]), 500) for arm in (0, 1))
        n, m = a["impressions"].sum(), b["impressions"].sum()
        p, q = a["likes"].sum() / n, b["likes"].sum() / m
        misses += abs(p - q) > 1.96 * np.sqrt(p * (1 - p) / n + q * (1 - q) / m)
    assert misses / TRIALS > 2 * MAX_SHARE


def test_a_real_lift_is_estimated_correctly_and_ships() -> None:
    judged = judge(trial(np.random.default_rng(3), 20_000, lift=0.1))

    for metric in ("like_rate", "dwell_per_impression"):
        lift = by_metric(judged)[metric]
        assert lift.rises and (lift.relative_low or 0) < 0.1 < (lift.relative_high or 0)
    assert judged.verdict == "ship"


def test_a_lift_with_more_hides_is_held() -> None:
    judged = judge(trial(np.random.default_rng(4), 20_000, lift=0.1, harm=0.2))

    assert (judged.verdict, judged.reason) == ("hold", "negative_rate rises")


def test_a_model_that_causes_instant_swipes_is_held() -> None:
    """Every third post is swiped away before the first beat. The average dwell of those who stay rises by a tenth."""
    rng = np.random.default_rng(16)
    treatment = viewers(rng, 20_000, lift=0.1)
    stayed = rng.binomial(treatment["dwell_count"], 2 / 3)
    treatment["dwell_ms_sum"] = treatment["dwell_ms_sum"] * stayed / np.maximum(treatment["dwell_count"], 1)
    treatment["dwell_count"] = stayed

    judged = judge(of_equal_arms(moments(viewers(rng, 20_000)), moments(treatment)))

    assert by_metric(judged)["like_rate"].rises and by_metric(judged)["avg_dwell_ms"].rises
    assert (judged.verdict, judged.reason) == ("hold", "dwell_per_impression falls")


def test_a_model_that_lowers_likes_is_held() -> None:
    judged = judge(trial(np.random.default_rng(5), 20_000, lift=-0.1))

    assert judged.verdict == "hold" and "like_rate falls" in judged.reason


def test_no_lift_in_a_test_that_would_detect_one_is_held() -> None:
    judged = judge(trial(np.random.default_rng(6), 50_000))

    assert max(by_metric(judged)[m].minimum_detectable or 1 for m in ("like_rate", "dwell_per_impression")) < 0.05
    assert judged.verdict == "hold" and "did not rise" in judged.reason


def test_no_lift_in_a_test_that_cannot_detect_one_is_held_and_says_so() -> None:
    judged = judge(trial(np.random.default_rng(7), 1_500))

    assert judged.verdict == "hold" and "5.0% matters" in judged.reason


def test_few_viewers_who_hide_posts_give_no_verdict() -> None:
    """Ten viewers of each arm have all negatives: a guardrail that nobody can break passes by luck."""
    arms = []
    for lift in (0.0, 0.1):
        sums = viewers(np.random.default_rng(17), 20_000, lift)
        arms.append(moments(sums | {"negatives": np.where(np.arange(20_000) < 10, sums["impressions"], 0)}))

    judged = judge(of_equal_arms(*arms))

    assert by_metric(judged)["like_rate"].rises and by_metric(judged)["dwell_per_impression"].rises
    assert judged.verdict == "not enough data" and "negative_rate:" in judged.reason and "effective" in judged.reason


def test_the_minimum_detectable_lift_is_found_four_times_in_five() -> None:
    """200 trials have a lift of exactly the minimum detectable size."""
    size = by_metric(judge(trial(np.random.default_rng(8), 2_000)))["like_rate"].minimum_detectable or 0
    trials = (judge(trial(np.random.default_rng([9, i]), 2_000, lift=size)) for i in range(200))
    found = sum((by_metric(judged)["like_rate"].difference_low or 0) > 0 for judged in trials)
    assert 0.7 < found / 200 < 0.9


def test_a_sample_ratio_mismatch_gives_no_verdict() -> None:
    """A lift of 10 % would ship, but 5 % of the viewers of the treatment are missing."""
    rng = np.random.default_rng(10)
    broken = of_equal_arms(moments(viewers(rng, 20_000)), moments(viewers(rng, 19_000, 0.1)))

    judged = judge(broken)

    assert judged.verdict == "not enough data" and "sample-ratio mismatch" in judged.reason
    assert by_metric(judged)["like_rate"].rises


def test_a_planned_uneven_split_is_not_a_mismatch() -> None:
    rng = np.random.default_rng(11)
    arms = moments(viewers(rng, 16_000)), moments(viewers(rng, 4_000, lift=0.1))

    judged = judge(of_stages(Stage(*arms, treatment_share=0.2)))

    assert judged.verdict == "ship" and (judged.sample_ratio_p or 0) > 0.5


def test_many_viewers_of_both_models_give_no_verdict() -> None:
    crossed = dataclasses.replace(trial(np.random.default_rng(12), 20_000, lift=0.1), crossovers=5_000)

    judged = judge(crossed)

    assert judged.verdict == "not enough data" and "5000 viewers saw both" in judged.reason


def test_an_arm_with_few_viewers_is_not_analyzed() -> None:
    judged = judge(of_equal_arms(moments(viewers(np.random.default_rng(13), 500)), Aggregates(count_=0)))

    assert judged.verdict == "not enough data" and "0 to the treatment" in judged.reason
    assert all(lift.p_value is None for lift in judged.lifts)


def test_a_metric_without_a_denominator_is_left_out_and_named_in_the_reason() -> None:
    """A log without heartbeats has no dwell. The other metrics have results, but there is no verdict."""
    zeros = np.zeros(5_000)
    rng = np.random.default_rng(14)
    arms = [viewers(rng, 5_000, lift) | {"dwell_ms_sum": zeros, "dwell_count": zeros} for lift in (0, 0.3)]

    judged = judge(of_equal_arms(*map(moments, arms)))

    assert by_metric(judged)["dwell_per_impression"] == Lift("dwell_per_impression")
    assert by_metric(judged)["like_rate"].rises
    assert judged.verdict == "not enough data"
    assert "dwell_per_impression: 0 effective viewers of the control" in judged.reason


def test_cuped_narrows_the_interval_and_keeps_the_lift() -> None:
    """The viewers behave similarly in the weeks before the test."""
    rng, arms = np.random.default_rng(15), []
    for lift in (0.0, 0.1):
        taste = rng.beta(1, 9, 5_000)
        now, before = (1 + rng.poisson(40, 5_000) for _ in range(2))
        sums = viewers(rng, 5_000) | {"impressions": now, "likes": rng.binomial(now, taste * (1 + lift) / 1.1)}
        pre = {f"pre_{name}": column for name, column in viewers(rng, 5_000).items()}
        arms.append(moments(sums | pre | {"pre_impressions": before, "pre_likes": rng.binomial(before, taste / 1.1)}))
    plain = of_equal_arms(*arms)

    without, with_before = (by_metric(judge(t))["like_rate"] for t in (plain, dataclasses.replace(plain, cuped=True)))

    def width(lift: Lift) -> float:
        return (lift.difference_high or 0) - (lift.difference_low or 0)

    assert width(with_before) < 0.75 * width(without)
    assert (with_before.relative_low or 0) < 0.1 < (with_before.relative_high or 0)


@pytest.mark.parametrize("seed", range(5))
def test_when_earlier_days_explain_all_variance_the_interval_without_cuped_is_used(seed: int) -> None:
    """Equal sums before and after leave no variance, and rounding errors may make it negative."""
    rng, arms = np.random.default_rng(seed), []
    for _ in range(2):
        sums = viewers(rng, 500)
        arms.append(moments(sums | {f"pre_{name}": column for name, column in sums.items()}))
    plain = of_equal_arms(*arms)

    with_cuped = by_metric(judge(dataclasses.replace(plain, cuped=True)))

    assert with_cuped == by_metric(judge(plain))
