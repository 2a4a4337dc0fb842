"""agg_post_engagement_hourly: each fact counts once, in its own hour."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.rows import Row, assert_rows, at, minted, rows

from etl.subjects.feed.facts import fct_dwell_per_impression, fct_engagements, fct_impressions
from etl.subjects.feed.rollups.agg_post_engagement_hourly import TABLE, transform

FIRST, SECOND = minted(at("10:10")), minted(at("10:11"))


def facts(
    spark: SparkSession,
    impressions: list[Row] | None = None,
    engagements: list[Row] | None = None,
    dwell: list[Row] | None = None,
) -> tuple[DataFrame, DataFrame, DataFrame]:
    """The three inputs of transform, in its order."""
    return (
        rows(spark, fct_impressions.TABLE, impressions or []),
        rows(spark, fct_engagements.TABLE, engagements or []),
        rows(spark, fct_dwell_per_impression.TABLE, dwell or []),
    )


def test_several_reactions_to_one_impression_do_not_multiply_impressions_or_dwell(spark: SparkSession) -> None:
    """A join row by row would count an impression and its dwell once per reaction."""
    impressions, engagements, dwell = facts(
        spark,
        [{"impression_id": FIRST}, {"impression_id": SECOND, "viewer_id": 2}],
        [{"impression_id": FIRST, "event_type": kind} for kind in ("like", "save", "comment")],
        [
            {"impression_id": FIRST, "dwell_ms": 8000, "was_full_view": True},
            {"impression_id": SECOND, "dwell_ms": 1000},
        ],
    )

    made = transform(impressions, engagements, dwell)

    joined = impressions.join(engagements, "impression_id", "left").join(dwell, "impression_id", "left")
    naive = joined.agg(F.count("*"), F.sum("dwell_ms"), F.avg("dwell_ms")).collect()
    assert naive == [(4, 25_000, 6250.0)]
    assert_rows(made, TABLE, [{
        "post_id": 1, "hour": at("10:00"), "impressions": 2, "dwell_ms_sum": 9000, "dwell_count": 2,
        "full_views": 1, "likes": 1, "saves": 1, "comments": 1,
    }])  # fmt: skip


def test_impressions_and_dwell_count_in_the_hour_in_the_id(spark: SparkSession) -> None:
    """impression_ts is 11:00:00.100, but the time in the id is in hour 10."""
    straddling = minted(at("10:59:59.900"))
    given = facts(
        spark,
        [{"impression_id": straddling, "impression_ts": at("11:00:00.100")}],
        dwell=[{"impression_id": straddling, "dwell_ms": 500}],
    )

    made = transform(*given)

    naive = given[0].select(F.date_trunc("hour", "impression_ts") == F.lit(at("11:00"))).collect()
    assert naive == [(True,)]
    assert_rows(made, TABLE, [{"hour": at("10:00"), "impressions": 1, "dwell_ms_sum": 500}])


def test_engagements_count_in_their_own_hour(spark: SparkSession) -> None:
    """The post is seen at 10:10 and liked at 11:10. There are two rows, because this rollup does not attribute."""
    like = {"impression_id": FIRST, "event_ts": at("11:10")}

    made = transform(*facts(spark, [{"impression_id": FIRST}], [like]))

    assert_rows(made, TABLE, [
        {"hour": at("10:00"), "impressions": 1, "likes": 0},
        {"hour": at("11:00"), "impressions": 0, "likes": 1},
    ])  # fmt: skip


def test_an_hour_with_only_engagements_has_an_empty_sketch(spark: SparkSession) -> None:
    """Some readers skip a NULL sketch and others fail on it. An empty sketch can be merged."""
    made = transform(*facts(spark, [{"impression_id": FIRST}], [{"event_ts": at("11:10")}]))

    assert made.where("reach_hll IS NULL").isEmpty()
    each = made.select(F.hour("hour"), F.hll_sketch_estimate("reach_hll")).collect()
    assert dict(each) == {10: 1, 11: 0}
    assert made.agg(F.hll_sketch_estimate(F.hll_union_agg("reach_hll"))).collect() == [(1,)]


def test_an_undone_like_is_a_regret_in_the_hour_of_the_like(spark: SparkSession) -> None:
    """The like is at 10:58 and its undo at 11:01."""
    like = {"event_ts": at("10:58")}

    made = transform(*facts(spark, engagements=[like, {**like, "undone_ts": at("11:01")}]))

    assert_rows(made, TABLE, [{"hour": at("10:00"), "likes": 0, "regrets": 1}])


def test_a_post_and_hour_without_counts_has_no_row(spark: SparkSession) -> None:
    save = {"event_ts": at("10:10"), "event_type": "save"}

    assert transform(*facts(spark, engagements=[save, {**save, "undone_ts": at("11:10")}])).isEmpty()


def test_a_like_that_is_undone_after_an_hour_was_given(spark: SparkSession) -> None:
    like = {"event_ts": at("10:10")}

    made = transform(*facts(spark, engagements=[like, {**like, "undone_ts": at("11:10")}]))

    assert_rows(made, TABLE, [{"likes": 0, "likes_given": 1, "regrets": 0}])


def test_dwell_without_its_impression_is_not_counted(spark: SparkSession) -> None:
    """The rollup invents no impression. The dwell counts when the impression lands."""
    assert transform(*facts(spark, dwell=[{"impression_id": FIRST}])).isEmpty()


def test_a_viewer_who_sees_a_post_twice_in_an_hour_is_counted_once_in_reach(spark: SparkSession) -> None:
    made = transform(*facts(spark, [{"viewer_id": viewer} for viewer in (1, 1, 2)]))

    assert made.select("impressions", F.hll_sketch_estimate("reach_hll")).collect() == [(3, 2)]
