"""agg_ranker_hourly: engagements are credited to the impression they name, within the attribution window."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import assert_rows, at, facts, minted

from etl.subjects.feed.rollups.agg_ranker_hourly import TABLE, transform

FIRST, SECOND = minted(at("10:10")), minted(at("10:11"))


def test_several_reactions_to_one_impression_do_not_multiply_impressions_or_dwell(spark: SparkSession) -> None:
    impressions, engagements, dwell = facts(
        spark,
        [{"impression_id": FIRST}, {"impression_id": SECOND, "viewer_id": 2}],
        [{"impression_id": FIRST, "event_type": kind, "event_ts": at("10:12")} for kind in ("like", "save")],
        [{"impression_id": FIRST, "dwell_ms": 8000}, {"impression_id": SECOND, "dwell_ms": 1000}],
    )

    made = transform(impressions, engagements, dwell)

    joined = impressions.join(engagements, "impression_id", "left").join(dwell, "impression_id", "left")
    assert joined.agg(F.count("*"), F.sum("dwell_ms")).collect() == [(3, 17_000)]
    assert_rows(made, TABLE, [{"impressions": 2, "likes": 1, "saves": 1, "dwell_ms_sum": 9000, "dwell_count": 2}])


def test_the_attribution_window_is_half_open(spark: SparkSession) -> None:
    """It starts at impression_ts (inclusive) and ends 24 h later (exclusive)."""
    day, tick = timedelta(hours=24), timedelta(microseconds=1)
    served = at("10:10")
    times = {"comment": served, "share": served + day - tick, "report": served - tick, "hide": served + day}
    given = facts(
        spark,
        [{"impression_id": FIRST}],
        [{"impression_id": FIRST, "event_type": kind, "event_ts": when} for kind, when in times.items()],
    )

    made = transform(*given)

    assert given[1].count() == 4
    assert_rows(made, TABLE, [{"comments": 1, "shares": 1, "negatives": 0, "impressions": 1}])


def test_a_reaction_hours_later_is_credited_to_the_hour_of_the_impression(spark: SparkSession) -> None:
    like = {"impression_id": FIRST, "event_ts": at("21:30")}

    made = transform(*facts(spark, [{"impression_id": FIRST, "ranker_model_id": 7, "surface": "reels"}], [like]))

    assert_rows(made, TABLE, [{"ranker_model_id": 7, "surface": "reels", "hour": at("10:00"), "likes": 1}])


def test_the_hour_of_an_impression_is_the_hour_in_its_id(spark: SparkSession) -> None:
    """impression_ts is 9:59:59.500 and the time in the id is 10:00. A like between them is inside the window."""
    straddling = minted(at("10:00"))
    like = {"impression_id": straddling, "event_ts": at("09:59:59.800")}

    made = transform(*facts(spark, [{"impression_id": straddling, "impression_ts": at("09:59:59.500")}], [like]))

    assert_rows(made, TABLE, [{"hour": at("10:00"), "impressions": 1, "likes": 1}])


def test_a_reaction_through_a_deep_link_is_credited_to_no_model(spark: SparkSession) -> None:
    made = transform(*facts(spark, [{"impression_id": FIRST}], [{"impression_id": None}]))

    assert_rows(made, TABLE, [{"impressions": 1, "likes": 0}])


def test_a_reaction_to_an_impression_that_never_landed_makes_no_row(spark: SparkSession) -> None:
    assert transform(*facts(spark, [], [{"impression_id": FIRST, "event_ts": at("10:20")}])).isEmpty()


def test_of_repeated_likes_from_two_impressions_the_earliest_is_credited(spark: SparkSession) -> None:
    """A viewer likes a post twice in an hour, from impressions of two models. The first model gets the one like."""
    impressions = [
        {"impression_id": FIRST, "ranker_model_id": 7},
        {"impression_id": SECOND, "ranker_model_id": 8},
    ]
    likes = [
        {"impression_id": SECOND, "event_ts": at("10:40")},
        {"impression_id": FIRST, "event_ts": at("10:30")},
    ]
    given = facts(spark, impressions, likes)

    made = transform(*given)

    naive = given[1].where("NOT is_undone").join(given[0], "impression_id").groupBy("ranker_model_id").count()
    assert dict(naive.collect()) == {7: 1, 8: 1}
    assert_rows(made, TABLE, [{"ranker_model_id": 7, "likes": 1}, {"ranker_model_id": 8, "likes": 0}])


def test_when_the_earliest_like_is_undone_the_next_one_is_credited(spark: SparkSession) -> None:
    impressions = [
        {"impression_id": FIRST, "ranker_model_id": 7},
        {"impression_id": SECOND, "ranker_model_id": 8},
    ]
    first = {"impression_id": FIRST, "event_ts": at("10:30")}
    likes = [first, {**first, "undone_ts": at("10:31")}, {"impression_id": SECOND, "event_ts": at("10:40")}]

    made = transform(*facts(spark, impressions, likes))

    assert_rows(made, TABLE, [
        {"ranker_model_id": 7, "likes": 0, "regrets": 1},
        {"ranker_model_id": 8, "likes": 1, "regrets": 0},
    ])  # fmt: skip


def test_models_surfaces_and_hours_have_separate_rows(spark: SparkSession) -> None:
    given = [
        {"impression_id": minted(at("10:10"), 1), "ranker_model_id": 7, "surface": "feed"},
        {"impression_id": minted(at("10:10"), 2), "ranker_model_id": 7, "surface": "reels"},
        {"impression_id": minted(at("10:10"), 3), "ranker_model_id": 8, "surface": "feed"},
        {"impression_id": minted(at("11:10"), 4), "ranker_model_id": 7, "surface": "feed"},
    ]

    made = transform(*facts(spark, given, []))

    cells = [(r["ranker_model_id"], r["surface"], at("11:00") if i == 3 else at("10:00")) for i, r in enumerate(given)]
    assert_rows(made, TABLE, [
        {"ranker_model_id": m, "surface": s, "hour": h, "impressions": 1, "likes": 0} for m, s, h in cells
    ])  # fmt: skip
