"""mart_creative_daily: the z-score of a creative's CTR among its advertiser's, and its fatigue."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession
from support.rows import Row, assert_rows, rows

from etl.subjects.ads.marts.mart_creative_daily import TABLE, transform
from etl.subjects.ads.rollups import agg_creative_daily

TODAY = date(2026, 6, 29)


def day(before: int, clicks: int, impressions: int = 1000, **more: object) -> Row:
    """A row of agg_creative_daily so many days before today, in the first frequency bucket."""
    return {
        "advertiser_id": 1, "creative_id": 10, "frequency_bucket": "1", "impressions": impressions,
        "ad_clicks": clicks, "day": TODAY - timedelta(days=before), **more,
    }  # fmt: skip


def today(spark: SparkSession, *given: Row) -> DataFrame:
    return transform(rows(spark, agg_creative_daily.TABLE, given)).where(f"day = DATE'{TODAY}'")


def test_the_score_is_in_standard_deviations_of_the_28_days_before(spark: SparkSession) -> None:
    """CTRs of 1 % and 3 % have a mean of 2 % and a standard deviation of 1 %. Today has 4.5 %."""
    made = today(spark, day(0, 45), day(1, 10), day(28, 30))

    assert_rows(made, TABLE, [{"ctr": Decimal("0.0450000"), "baseline_days": 2, "z_score": Decimal("2.5000")}])


def test_today_the_29th_day_before_and_other_advertisers_are_not_in_the_baseline(spark: SparkSession) -> None:
    others = [day(0, 900, creative_id=11), day(29, 900), day(2, 900, advertiser_id=2)]

    made = today(spark, day(0, 45), day(1, 10), day(28, 30), *others)

    assert_rows(made.where("creative_id = 10"), TABLE, [{"baseline_days": 2, "z_score": Decimal("2.5000")}])


def test_other_creatives_of_the_advertiser_are_in_the_baseline(spark: SparkSession) -> None:
    made = today(spark, day(0, 45), day(1, 10, creative_id=11), day(2, 30, creative_id=12))

    assert_rows(made, TABLE, [{"baseline_days": 2, "z_score": Decimal("2.5000")}])


def test_a_day_of_fewer_than_1000_impressions_has_no_score_and_is_in_no_baseline(spark: SparkSession) -> None:
    few = today(spark, day(0, 45, 999), day(1, 10), day(2, 30))
    enough = today(spark, day(0, 45), day(1, 10), day(2, 30), day(3, 900, 999))

    assert_rows(few, TABLE, [{"baseline_days": 2, "z_score": None}])
    assert_rows(enough, TABLE, [{"baseline_days": 2, "z_score": Decimal("2.5000")}])


def test_the_smallest_possible_variance_gives_a_score(spark: SparkSession) -> None:
    """CTRs of 0 and 1e-7 have a mean and a standard deviation of 0.5e-7. Today has 2e-7."""
    many = 10_000_000

    made = today(spark, day(0, 2, many), day(1, 0, many), day(2, 1, many))

    assert_rows(made, TABLE, [{"baseline_days": 2, "z_score": Decimal("3.0000")}])


def test_without_variance_there_is_no_score(spark: SparkSession) -> None:
    assert_rows(today(spark, day(0, 45), day(1, 10), day(2, 10)), TABLE, [{"z_score": None}])
    assert_rows(today(spark, day(0, 45)), TABLE, [{"baseline_days": 0, "z_score": None}])


def test_fatigue_is_the_relative_loss_from_the_first_to_the_fourth_and_later_impressions(spark: SparkSession) -> None:
    """The CTR is 10 % at first and 2 % from the fourth on, so 0.8 is lost. The second and third do not count."""
    made = today(
        spark,
        day(0, 10, 100),
        day(0, 99, 100, frequency_bucket="2-3"),
        day(0, 1, 75, frequency_bucket="4-7"),
        day(0, 1, 25, frequency_bucket="8+"),
    )

    assert_rows(made, TABLE, [{"impressions": 300, "ad_clicks": 111, "fatigue": Decimal("0.80000")}])


def test_fatigue_is_rounded_once(spark: SparkSession) -> None:
    """1 - 160/51 = -2.13725490… Rounded to six places first, -2.137255, it would become -2.13726."""
    made = today(spark, day(0, 51, 160), day(0, 1, 1, frequency_bucket="4-7"))

    assert_rows(made, TABLE, [{"fatigue": Decimal("-2.13725")}])


def test_without_a_fourth_impression_there_is_no_fatigue(spark: SparkSession) -> None:
    assert_rows(today(spark, day(0, 10, 100)), TABLE, [{"fatigue": None}])
