"""mart_ranker_viewer_daily: the measures of each viewer and model version, by the day of the impression."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import assert_rows, at, facts, minted

from etl.model.privacy import REPLACEMENT_IDS_BELOW
from etl.subjects.feed.marts.mart_ranker_viewer_daily import TABLE, transform

FIRST, SECOND = minted(at("10:10")), minted(at("23:50"))
DAY = at("00:00").date()


def test_several_reactions_to_one_impression_do_not_multiply_impressions_or_dwell(spark: SparkSession) -> None:
    impressions, engagements, dwell = facts(
        spark,
        [{"impression_id": FIRST}],
        [{"impression_id": FIRST, "event_type": kind, "event_ts": at("10:12")} for kind in ("like", "save")],
        [{"impression_id": FIRST, "dwell_ms": 8000}],
    )

    made = transform(impressions, engagements, dwell)

    joined = impressions.join(engagements, "impression_id").join(dwell, "impression_id")
    assert joined.agg(F.count("*"), F.sum("dwell_ms")).collect() == [(2, 16_000)]
    assert_rows(made, TABLE, [{"impressions": 1, "likes": 1, "saves": 1, "dwell_ms_sum": 8000, "dwell_count": 1}])


def test_viewers_and_model_versions_have_separate_rows(spark: SparkSession) -> None:
    seen = [(1, 7), (1, 8), (2, 7)]
    given = [
        {"impression_id": minted(at("10:10"), i), "viewer_id": viewer, "ranker_model_id": model}
        for i, (viewer, model) in enumerate(seen)
    ]

    made = transform(*facts(spark, given, []))

    expected = [{"viewer_id": v, "ranker_model_id": m, "impressions": 1, "day": DAY} for v, m in seen]
    assert_rows(made, TABLE, expected)


def test_the_first_impression_of_a_day_is_the_earliest_by_its_own_time(spark: SparkSession) -> None:
    """It decides to which model a viewer of two models belongs."""
    clocks = [at("10:12"), at("10:11"), at("23:00")]

    made = transform(
        *facts(spark, [{"impression_id": minted(t), "viewer_id": 1, "ranker_model_id": 7} for t in clocks], [])
    )

    assert_rows(made, TABLE, [{"impressions": 3, "first_impression_ts": at("10:11")}])


def test_a_reaction_on_the_next_day_counts_on_the_day_of_the_impression(spark: SparkSession) -> None:
    """The post is shown at 23:50 and liked in the morning."""
    like = {"impression_id": SECOND, "event_ts": at("07:00", day=2)}

    assert_rows(transform(*facts(spark, [{"impression_id": SECOND}], [like])), TABLE, [{"day": DAY, "likes": 1}])


def test_a_reaction_after_the_attribution_window_is_not_credited(spark: SparkSession) -> None:
    late = {"impression_id": FIRST, "event_ts": at("10:10") + timedelta(hours=24)}

    assert_rows(transform(*facts(spark, [{"impression_id": FIRST}], [late])), TABLE, [{"impressions": 1, "likes": 0}])


def test_a_like_that_is_undone_within_minutes_is_a_regret_and_not_a_like(spark: SparkSession) -> None:
    like = {"impression_id": FIRST, "event_ts": at("10:11")}

    made = transform(*facts(spark, [{"impression_id": FIRST}], [like, {**like, "undone_ts": at("10:12")}]))

    assert_rows(made, TABLE, [{"likes": 0, "likes_given": 1, "regrets": 1}])


def test_a_replacement_id_has_no_row(spark: SparkSession) -> None:
    """A row with the replacement id of an erased person would still describe what the person did."""
    impressions = [
        {"impression_id": FIRST, "viewer_id": REPLACEMENT_IDS_BELOW - 5},
        {"impression_id": SECOND, "viewer_id": 2},
    ]
    assert [row["viewer_id"] for row in transform(*facts(spark, impressions, [])).collect()] == [2]
