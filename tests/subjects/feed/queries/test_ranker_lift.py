"""ranker_lift: which viewers are in which arm."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from support.query_rows import run_query
from support.rows import Row, at

from etl.errors import LakeError

DAY, DAY_BEFORE = at("00:00", day=20).date(), at("00:00", day=15).date()
PARAMETERS: dict[str, Any] = {
    "control": "v1", "treatment": "v2", "start": "2026-06-20", "end": "2026-06-21", "minimum_effect": 0.05,
}  # fmt: skip
V1 = {"ranker_model_id": 1, "model_semver": "v1", "deployed_pct": Decimal(50)}
V2 = {"ranker_model_id": 2, "model_semver": "v2", "deployed_pct": Decimal(50)}


def served(model: int, viewers: range, likes: int = 1, **given: Any) -> list[Row]:
    """One mart row per viewer with ten impressions of a model. Every second viewer has one more like."""
    sums: Row = {"day": DAY, "impressions": 10, "dwell_ms_sum": 9000, "dwell_count": 9, **given}
    zero = {"saves": 0, "negatives": 0, "regrets": 0}
    liked = [(v, likes + v % 2) for v in viewers]
    return [{"viewer_id": v, "ranker_model_id": model, "likes": n, "likes_given": n, **zero, **sums} for v, n in liked]


def lift(spark: SparkSession, rows: list[Row], versions: list[Row] | None = None, **params: Any) -> Row:
    """The row of the like rate."""
    tables = {"mart_ranker_viewer_daily": rows, "dim_ranker_models": versions or [V1, V2]}
    return run_query(spark, "ranker_lift", tables, **{**PARAMETERS, **params})[0]


def test_a_rate_is_a_ratio_of_sums_over_the_days_of_an_arm(spark: SparkSession) -> None:
    """A viewer on two days counts as one viewer with twice the impressions."""
    control = served(1, range(200)) + served(1, range(200), day=at("00:00", day=21).date())

    found = lift(spark, control + served(2, range(200, 400), likes=2), end="2026-06-22")

    assert (found["control_viewers"], found["treatment_viewers"]) == (200, 200)
    assert found["control"] == pytest.approx(0.15) and found["treatment"] == pytest.approx(0.25)
    assert found["relative_lift"] == pytest.approx(2 / 3)


def test_viewers_of_both_models_are_in_neither_arm(spark: SparkSession) -> None:
    found = lift(spark, served(1, range(204)) + served(2, range(200, 400)))

    assert (found["control_viewers"], found["treatment_viewers"], found["crossovers"]) == (200, 196, 4)


def test_only_the_stage_with_most_impressions_in_its_smaller_arm_is_compared(spark: SparkSession) -> None:
    """With 10 % of traffic, the treatment has few viewers. Only the viewers of the 50 % stage are compared."""
    ramp, noon = [at("00:00", day=18), at("12:00", day=20)], at("12:00", day=20)
    versions: list[Row] = [
        {**V1, "ranker_model_id": 11, "deployed_pct": Decimal(90), "valid_from": ramp[0], "valid_to": noon},
        {**V2, "ranker_model_id": 12, "deployed_pct": Decimal(10), "valid_from": ramp[0], "valid_to": noon},
        {**V1, "valid_from": noon},
        {**V2, "valid_from": noon},
    ]
    early = served(11, range(1000, 1900)) + served(12, range(1900, 2000))

    found = lift(spark, early + served(1, range(200)) + served(2, range(200, 400)), versions)

    assert (found["control_viewers"], found["treatment_viewers"]) == (200, 200)
    assert found["sample_ratio_p"] > 0.9


def test_the_expected_split_comes_from_deployed_pct(spark: SparkSession) -> None:
    """With 20 % deployed, 200 of 1,000 viewers are expected; 200 of 400 are a mismatch."""
    versions = [{**V1, "deployed_pct": Decimal(80)}, {**V2, "deployed_pct": Decimal(20)}]
    treatment = served(2, range(1000, 1200), likes=2)

    right = lift(spark, served(1, range(800)) + treatment, versions)
    wrong = lift(spark, served(1, range(200)) + treatment, versions)

    assert right["sample_ratio_p"] > 0.9
    assert wrong["verdict"] == "not enough data" and "sample-ratio mismatch" in wrong["reason"]


def test_cuped_uses_earlier_days_only_when_no_viewer_had_the_treatment_yet(spark: SparkSession) -> None:
    both = served(1, range(200)) + served(2, range(200, 400))
    before = [row | {"likes": row["viewer_id"] % 3} for row in served(1, range(400), day=DAY_BEFORE)]
    treated = served(2, range(200, 201), day=DAY_BEFORE)

    assert lift(spark, both + before)["cuped"]
    assert not lift(spark, both + before + treated)["cuped"]
    assert not lift(spark, both + before, pre_days=3)["cuped"]
    assert not lift(spark, both)["cuped"]


def test_days_of_an_earlier_release_do_not_know_the_regret_rate(spark: SparkSession) -> None:
    """Likes given are NULL on the first day. Skipping them would count the regrets of that day without its likes."""
    rows = served(1, range(200)) + served(2, range(200, 400))
    old = served(1, range(9), day=at("00:00", day=19).date(), likes_given=None)

    found = lift(spark, rows + old, start="2026-06-19")

    assert found["verdict"] == "not enough data" and "regret rate is known from 2026-06-20 on" in found["reason"]


def test_models_that_were_never_live_at_the_same_time_are_rejected(spark: SparkSession) -> None:
    with pytest.raises(LakeError, match="v1 and v3 served no viewer at the same time"):
        lift(spark, served(1, range(5)), treatment="v3")
