"""mart_campaign_daily: one row per campaign and local day, which conversions change for seven days."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession
from support.rows import Row, assert_rows, at, rows

from etl.subjects.ads.facts import fct_ad_clicks, fct_ad_impressions, fct_attributed_conversion
from etl.subjects.ads.marts.mart_campaign_daily import TABLE, transform

DAY = date(2026, 6, 1)
ROW: Row = {"campaign_id": 100, "advertiser_id": 1000, "local_day": DAY}
ZONED = ROW | {"time_zone": "UTC"}


def days(
    spark: SparkSession,
    shown: list[Row] | None = None,
    clicked: list[Row] | None = None,
    earned: list[Row] | None = None,
) -> DataFrame:
    lock = {"locked_from": at("00:00", 9), "is_in_time": True}
    return transform(
        rows(spark, fct_ad_impressions.TABLE, [ZONED | row for row in shown or []]),
        rows(spark, fct_ad_clicks.TABLE, [ZONED | {"click_id": str(i)} | c for i, c in enumerate(clicked or [])]),
        rows(spark, fct_attributed_conversion.TABLE, [ROW | lock | row for row in earned or []]),
    )


def test_spend_is_exact_and_only_of_valid_impressions(spark: SparkSession) -> None:
    """A third of a dollar and ten millionths; floating-point numbers would lose some of it."""
    shown: list[Row] = [{"user_id": 1, "spend_micros": 333_333}] + [{"user_id": 2, "spend_micros": 1}] * 10

    made = days(spark, [*shown, {"spend_micros": 10**9, "is_valid": False}])

    assert_rows(made, TABLE, [{"impressions": 11, "reach": 2, "spend_usd": Decimal("0.333343")}])


def test_ctr_and_roas_are_ratios_of_the_valid_counts(spark: SparkSession) -> None:
    shown: list[Row] = [{"spend_micros": 1_000_000}] * 3
    earned: list[Row] = [
        {"attribution": "click", "value_usd": Decimal("9.99")},
        {"attribution": "view", "value_usd": Decimal("0.01")},
    ]

    made = days(spark, shown, [{}, {"is_valid": False}], earned)

    assert_rows(made, TABLE, [{
        "ad_clicks": 1, "ctr": Decimal("0.3333333"), "conversions_click": 1, "conversions_view": 1,
        "value_usd_sum": Decimal("10.00"), "roas": Decimal("3.333333"), "cvr": Decimal(2), "cpa": Decimal("1.5"),
        "null_reasons": [],
    }])  # fmt: skip


def test_roas_is_split_by_window(spark: SparkSession) -> None:
    """With three dollars spent, two clicks earn 2.00 each and a view 0.50. Without a view, its value is 0, not NULL."""
    by_click: Row = {"attribution": "click", "value_usd": Decimal("2.00")}
    by_view: Row = {"attribution": "view", "value_usd": Decimal("0.50")}
    spent: list[Row] = [{"spend_micros": 3_000_000}, {"spend_micros": 3_000_000, "campaign_id": 101}]

    made = days(spark, spent, earned=[by_click, by_click, by_view, by_click | {"campaign_id": 101}])

    assert_rows(made, TABLE, [
        {"campaign_id": 100, "value_usd_sum": Decimal("4.50"), "value_click_usd": Decimal("4.00"),
         "value_view_usd": Decimal("0.50"), "roas": Decimal("1.5000"), "roas_click": Decimal("1.333333"),
         "roas_view": Decimal("0.166667")},
        {"campaign_id": 101, "value_usd_sum": Decimal("2.00"), "value_click_usd": Decimal("2.00"),
         "value_view_usd": Decimal("0.00"), "roas": Decimal("0.666667"), "roas_click": Decimal("0.666667"),
         "roas_view": Decimal("0.0000")},
    ])  # fmt: skip


def test_a_conversion_received_after_the_lock_changes_nothing(spark: SparkSession) -> None:
    too_late: Row = {"attribution": "click", "value_usd": Decimal("5.00"), "is_in_time": False}

    assert days(spark, [{}], [{}], [too_late]).collect() == days(spark, [{}], [{}]).collect()


def test_repeats_and_conversions_that_the_campaign_is_not_for_change_nothing(spark: SparkSession) -> None:
    """The naive answer counts an order twice that pixel and server report."""
    order: Row = {"attribution": "click", "value_usd": Decimal("5.00"), "is_objective": True}

    made = days(spark, [{}], [{}], [order, order | {"is_repeat": True}, order | {"is_objective": False}])

    assert_rows(made, TABLE, [{"conversions_click": 1, "value_usd_sum": Decimal("5.00")}])


def test_conversions_of_an_earlier_release_count(spark: SparkSession) -> None:
    """Their rows have NULL in the columns that say what is a repeat and what the campaign is for."""
    old: Row = {"attribution": "view", "is_repeat": None, "is_objective": None, "rule_version": None}

    assert_rows(days(spark, earned=[old]), TABLE, [{"conversions_view": 1}])


def test_a_ratio_is_never_clamped_and_says_why_it_is_null(spark: SparkSession) -> None:
    """A value of 9,999,999,999.99 for a millionth of a dollar was held at 99,999,999.9999 once."""
    shown: list[Row] = [{"spend_micros": 1}, {"campaign_id": 101, "spend_micros": 0}]
    worth: Row = {"attribution": "click", "value_usd": Decimal("9999999999.99")}

    made = days(spark, shown, earned=[worth, *[worth | {"campaign_id": 102}]])

    assert_rows(made, TABLE, [
        {"campaign_id": 100, "roas": Decimal("9999999999990000.000000"), "null_reasons": ["cvr:no_clicks"]},
        {"campaign_id": 101, "roas": None, "null_reasons": [
            "cvr:no_clicks", "cpa:no_conversions", "roas:no_spend", "roas_click:no_spend", "roas_view:no_spend"]},
        {"campaign_id": 102, "roas": None, "null_reasons": [
            "ctr:no_impressions", "cvr:no_clicks", "roas:no_spend", "roas_click:no_spend", "roas_view:no_spend"]},
    ])  # fmt: skip


def test_organic_conversions_and_unknown_ads_count_for_no_campaign(spark: SparkSession) -> None:
    unknown = {"campaign_id": None, "advertiser_id": None}

    assert days(spark, [unknown], [unknown], [unknown | {"attribution": "organic"}]).count() == 0


def test_a_day_with_only_a_conversion_has_a_row_without_rates(spark: SparkSession) -> None:
    made = days(spark, earned=[{"attribution": "click", "value_usd": Decimal("1.00")}])

    assert_rows(made, TABLE, [{"impressions": 0, "reach": 0, "ctr": None, "spend_usd": Decimal(0), "roas": None}])


def test_a_day_is_locked_seven_days_after_its_end_in_the_time_zone_of_the_advertiser(spark: SparkSession) -> None:
    shown: list[Row] = [{}, {"campaign_id": 101, "time_zone": "Asia/Tokyo"}]

    assert_rows(days(spark, shown), TABLE, [
        {"campaign_id": 100, "locked_from": at("00:00", 9)},
        {"campaign_id": 101, "locked_from": at("15:00", 8)},
    ])  # fmt: skip


def test_days_are_local_days_of_the_advertiser_not_utc_days(spark: SparkSession) -> None:
    late: Row = {"impression_ts": at("23:00"), "local_day": date(2026, 6, 2)}

    assert_rows(days(spark, [late]), TABLE, [{"impressions": 1, "day": date(2026, 6, 2)}])
