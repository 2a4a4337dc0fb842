"""ranker_lift: which viewers and which days are in which arm and stage."""

from __future__ import annotations

from datetime import UTC, datetime, time
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
    first = datetime.combine(given.get("day", DAY), time(10), UTC)
    sums: Row = {"impressions": 10, "dwell_ms_sum": 9000, "dwell_count": 9, "saves": 0, "negatives": 0, "regrets": 0}
    sums |= {"day": DAY, "first_impression_ts": first, **given}
    liked = [{"viewer_id": v, "ranker_model_id": model, "likes": likes + v % 2} for v in viewers]
    return [row | {"likes_given": row["likes"]} | sums for row in liked]


def lift(
    spark: SparkSession, rows: list[Row], versions: list[Row] | None = None, positions: list[Row] | None = None,
    **params: Any,
) -> Row:  # fmt: skip
    """The row of the like rate."""
    tables = {
        "mart_ranker_viewer_daily": rows, "dim_ranker_models": versions or [V1, V2],
        "agg_ranker_position_daily": positions or [],
    }  # fmt: skip
    return run_query(spark, "ranker_lift", tables, **{**PARAMETERS, **params})[0]


def test_a_rate_is_a_ratio_of_sums_over_the_days_of_an_arm(spark: SparkSession) -> None:
    """A viewer on two days counts as one viewer with twice the impressions."""
    control = served(1, range(200)) + served(1, range(200), day=at("00:00", day=21).date())

    found = lift(spark, control + served(2, range(200, 400), likes=2), end="2026-06-22")

    assert (found["control_viewers"], found["treatment_viewers"]) == (200, 200)
    assert found["control"] == pytest.approx(0.15) and found["treatment"] == pytest.approx(0.25)
    assert found["relative_lift"] == pytest.approx(2 / 3)


def test_a_viewer_of_both_models_belongs_with_all_impressions_to_the_model_of_the_first(spark: SparkSession) -> None:
    """Four viewers see the treatment first and the control later: they are treatment, with twenty impressions each."""
    control = served(1, range(204), first_impression_ts=at("12:00", day=20))
    treatment = served(2, range(200, 400), likes=2, first_impression_ts=at("09:00", day=20))

    found = lift(spark, control + treatment)

    assert (found["control_viewers"], found["treatment_viewers"], found["crossovers"]) == (200, 200, 4)
    assert found["control"] == pytest.approx(300 / 2000)
    assert found["treatment"] == pytest.approx((500 + 6) / 2040)


def test_more_than_one_viewer_in_twenty_of_both_models_gives_no_verdict(spark: SparkSession) -> None:
    found = lift(spark, served(1, range(222)) + served(2, range(200, 400)))

    assert found["verdict"] == "not enough data" and "22 viewers saw both models" in found["reason"]


DAY_18, NOON = at("00:00", day=18), at("12:00", day=20)
RAMP: list[Row] = [
    {**V1, "ranker_model_id": 11, "deployed_pct": Decimal(90), "valid_from": DAY_18, "valid_to": NOON},
    {**V2, "ranker_model_id": 12, "deployed_pct": Decimal(10), "valid_from": DAY_18, "valid_to": NOON},
    {**V1, "valid_from": NOON},
    {**V2, "valid_from": NOON},
]
"""90 : 10 until the noon of the 20th, then 50 : 50."""


def test_a_day_on_which_a_share_changed_is_left_out(spark: SparkSession) -> None:
    """On such a day, nobody knows which impressions were served with which share."""
    changed = served(11, range(900)) + served(12, range(900, 1000))
    whole = [row | {"day": at("00:00", day=21).date()} for row in served(1, range(200)) + served(2, range(200, 400))]

    found = lift(spark, changed + whole, RAMP, end="2026-06-22")
    only_changed = lift(spark, changed, RAMP)

    assert (found["control_viewers"], found["treatment_viewers"]) == (200, 200)
    assert (found["days"], found["days_left_out"]) == (1, 1)
    assert (only_changed["verdict"], only_changed["control_viewers"]) == ("not enough data", 0)
    assert "A share changed on 1 days" in only_changed["reason"]


def test_times_of_different_shares_are_stages(spark: SparkSession) -> None:
    """Everybody likes more on the later day, on which the treatment has half of the traffic. The models are equal."""
    early, later = (dict[str, Any](day=at("00:00", day=d).date()) for d in (19, 21))
    rows = served(11, range(900), **early) + served(12, range(900, 1000), **early)
    rows += served(1, range(1000, 1500), likes=5, **later) + served(2, range(1500, 2000), likes=5, **later)

    found = lift(spark, rows, RAMP, start="2026-06-19", end="2026-06-22")

    likes = [sum(r["likes"] for r in rows if r["ranker_model_id"] in ids) for ids in ((1, 11), (2, 12))]
    assert likes[1] / 600 > 1.4 * likes[0] / 1400
    assert found["difference"] == pytest.approx(0)
    assert found["control"] == pytest.approx((90 * 0.15 + 250 * 0.55) / (90 + 250))
    assert found["sample_ratio_p"] > 0.9


def test_positions_of_both_models_give_the_standardized_difference(spark: SparkSession) -> None:
    """The treatment has a third of its impressions on top, the control a tenth."""
    cell = {"day": DAY, "surface": "feed", "score_bucket": Decimal(0)}
    shown = [(1, 0, 100, 50), (1, 21, 800, 8), (1, 6, 100, 9), (2, 0, 100, 51), (2, 21, 200, 2)]
    positions = [
        {**cell, "ranker_model_id": model, "position_bucket": bucket, "impressions": n, "likes": likes}
        for model, bucket, n, likes in shown
    ]

    found = lift(spark, served(1, range(200)) + served(2, range(200, 400)), positions=positions)

    assert found["standardized_difference"] == pytest.approx(0.1 * 0.01)
    assert found["left_out"] == pytest.approx(0.1)


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
