"""mart_post_engagement_daily: days that are merged from hours."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.rows import Row, assert_rows, at, rows

from etl.subjects.feed.columns import columns
from etl.subjects.feed.marts.mart_post_engagement_daily import TABLE, transform
from etl.subjects.feed.rollups import agg_post_engagement_hourly
from etl.transforms.sketches import HLL_LG_K

DAY = at("00:00").date()
COUNTS = ("impressions", "likes", "saves", "shares", "comments", "follows", "hides", "reports", "negatives",
          "likes_given", "regrets", "full_views", "dwell_ms_sum", "dwell_count")  # fmt: skip


def hours(spark: SparkSession, *given: Row) -> DataFrame:
    """Hourly rows of post 1. Measures that are not given are 0."""
    zeros = {"post_id": 1, **dict.fromkeys(COUNTS, 0)}
    return rows(spark, agg_post_engagement_hourly.TABLE, [zeros | row for row in given])


def sketched(spark: SparkSession, seen: dict[str, range]) -> DataFrame:
    """Hourly rows with sketches of the given viewers, by hour."""
    viewers = spark.createDataFrame(
        [(at(clock), v) for clock, ids in seen.items() for v in ids], "hour TIMESTAMP, viewer_id BIGINT"
    )
    sketches = viewers.groupBy("hour").agg(F.hll_sketch_agg("viewer_id", HLL_LG_K).alias("reach_hll"))
    given = [{"hour": at(clock), "impressions": len(ids)} for clock, ids in seen.items()]
    return hours(spark, *given).drop("reach_hll").join(sketches, "hour")


def test_hours_add_up_to_the_day(spark: SparkSession) -> None:
    """A mean of hourly means would give impressions of quiet hours too much weight."""
    given = hours(
        spark,
        {"hour": at("10:00"), "impressions": 9, "likes": 1, "dwell_ms_sum": 9000, "dwell_count": 9},
        {"hour": at("23:00"), "impressions": 1, "likes": 1, "dwell_ms_sum": 5000, "dwell_count": 1},
    )

    made = transform(given)

    naive = given.agg(F.avg(F.expr("likes / impressions")), F.avg(F.expr("dwell_ms_sum / dwell_count"))).collect()[0]
    assert (round(naive[0], 5), naive[1]) == (0.55556, 3000)
    assert_rows(made, TABLE, [{
        "post_id": 1, "day": DAY, "impressions": 10, "likes": 2, "like_rate": Decimal("0.2"),
        "avg_dwell_ms": 1400, "dwell_ms_sum": 14_000, "dwell_count": 10,
    }])  # fmt: skip


def test_a_viewer_of_two_hours_is_counted_once_in_reach(spark: SparkSession) -> None:
    """Viewers 0-9 at ten o'clock and 5-14 at eleven are 15 people, not 20."""
    given = sketched(spark, {"10:00": range(10), "11:00": range(5, 15)})

    made = transform(given)

    naive = given.agg(F.sum(F.hll_sketch_estimate("reach_hll"))).collect()
    assert naive == [(20,)]
    assert_rows(made, TABLE, [{"impressions": 20, "reach": 15}])


def test_the_sketch_of_a_day_can_be_merged_further(spark: SparkSession) -> None:
    """Queries merge the sketches of days for weeks and creators, so the table keeps the sketch and its estimate."""
    made = transform(sketched(spark, {"10:00": range(10), "11:00": range(5, 15)}))

    assert made.agg(F.hll_sketch_estimate(F.hll_union_agg("reach_hll"))).collect() == [(15,)]


def test_an_hour_with_only_engagements_adds_its_counts_and_no_viewer(spark: SparkSession) -> None:
    """Its empty sketch can be merged."""
    seen = sketched(spark, {"10:00": range(3)})
    reacted = hours(spark, {"hour": at("11:00"), "likes": 2})

    made = transform(seen.unionByName(reacted))

    assert_rows(made, TABLE, [{"impressions": 3, "reach": 3, "likes": 2, "like_rate": Decimal("0.66667")}])


def test_a_post_without_impressions_that_day_has_no_row(spark: SparkSession) -> None:
    """The post has an impression on the first and a like on the second; the second day has no denominator."""
    given = hours(
        spark,
        {"hour": at("10:00"), "impressions": 1},
        {"hour": at("10:00", day=2), "likes": 1, "dwell_count": 0},
    )

    assert_rows(transform(given), TABLE, [{"day": DAY, "impressions": 1, "likes": 0}])


def test_a_day_with_an_hour_that_does_not_know_likes_given_does_not_know_them(spark: SparkSession) -> None:
    """An hour of an earlier release has NULL. A sum that skips it would make the regret rate of the day too high."""
    old = {"hour": at("10:00"), "impressions": 1, "regrets": 1} | dict.fromkeys(("hides", "reports", "likes_given"))
    new = {"hour": at("11:00"), "impressions": 1, "likes_given": 2, "hides": 1, "negatives": 1}
    given = hours(spark, old, new)

    made = transform(given)

    assert given.agg(F.sum("likes_given")).collect() == [(2,)]
    assert_rows(made, TABLE, [{"impressions": 2, "regrets": 1, "likes_given": None, "hides": None, "negatives": 1}])


def test_days_are_utc_days(spark: SparkSession) -> None:
    given = hours(spark, *({"hour": h, "impressions": 1} for h in (at("23:00"), at("00:00", day=2))))

    assert_rows(
        transform(given),
        TABLE,
        [{"day": DAY, "impressions": 1}, {"day": at("00:00", day=2).date(), "impressions": 1}],
    )


def test_each_rate_is_its_count_over_impressions_rounded_half_up(spark: SparkSession) -> None:
    """1 / 200,000 = 0.000005, which is 0.00001 half up and 0 half to even."""
    counts = {"likes": 1, "saves": 3, "shares": 50_000, "negatives": 200_000}

    made = transform(hours(spark, {"impressions": 200_000, **counts}))

    wanted = {"like_rate": "0.00001", "save_rate": "0.00002", "share_rate": "0.25", "negative_rate": "1"}
    assert_rows(made, TABLE, [{rate: Decimal(value) for rate, value in wanted.items()}])


def test_a_rate_is_capped_at_the_limit_of_its_type(spark: SparkSession) -> None:
    """Reactions through deep links have no impression. 100 shares per impression do not fit DECIMAL(7,5)."""
    made = transform(hours(spark, {"impressions": 1, "shares": 100, "likes": 99}))

    assert columns["share_rate"].type == "DECIMAL(7,5)"
    assert_rows(made, TABLE, [{"share_rate": Decimal("99.99999"), "like_rate": Decimal(99), "shares": 100}])


def test_average_dwell_is_half_up_over_impressions_that_have_dwell(spark: SparkSession) -> None:
    """2750 / 4 = 687.5. The six impressions without a beat do not count."""
    made = transform(hours(spark, {"impressions": 10, "dwell_ms_sum": 2750, "dwell_count": 4}))

    assert_rows(made, TABLE, [{"avg_dwell_ms": 688}])


def test_average_dwell_is_0_without_dwell(spark: SparkSession) -> None:
    assert_rows(transform(hours(spark, {"impressions": 10})), TABLE, [{"avg_dwell_ms": 0}])
