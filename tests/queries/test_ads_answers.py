"""The named questions of ads, each on a few rows made for it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from asking_rows import ask_rows
from pyspark.sql import SparkSession
from rows import Row, at

DAY = date(2026, 6, 1)
DAYS: dict[str, Any] = {"start": DAY, "end": date(2026, 6, 2)}
HOURS: dict[str, Any] = {"start": at("00:00"), "end": at("00:00", 2)}


def picked(answer: list[Row], *names: str) -> list[tuple[Any, ...]]:
    """Some columns of an answer, row by row."""
    return [tuple(row[name] for name in names) for row in answer]


def test_the_last_minutes_slide_and_are_half_open(spark: SparkSession) -> None:
    """Five minutes before 10:58: from 10:53 on, up to 10:58 and not in it."""
    times = ["10:52:59.999", "10:53", "10:57:59.999", "10:58"]
    clicks = [{"click_id": t, "ad_id": 1, "user_id": i, "click_ts": at(t)} for i, t in enumerate(times)]

    answer = ask_rows(spark, "clicks_last_minutes", {"fct_ad_clicks": clicks}, end=at("11:00"), ago=2)

    assert picked(answer, "ad_id", "ad_clicks", "users") == [(1, 2, 2)]


def test_the_last_minutes_reach_into_the_hour_before_and_skip_invalid_clicks(spark: SparkSession) -> None:
    clicks = [
        {"click_id": "a", "ad_id": 1, "click_ts": at("09:59")},
        {"click_id": "b", "ad_id": 1, "click_ts": at("10:01"), "is_valid": False},
    ]

    answer = ask_rows(spark, "clicks_last_minutes", {"fct_ad_clicks": clicks}, end=at("11:00"), minutes=90)

    assert picked(answer, "ad_clicks") == [(1,)]


def test_top_ads_are_by_clicks_then_by_id(spark: SparkSession) -> None:
    ads = [{"ad_id": ad, "ad_clicks": clicks, "day": DAY} for ad, clicks in ((3, 5), (1, 5), (2, 9))]
    outside = {"ad_id": 3, "ad_clicks": 99, "day": DAYS["end"]}

    answer = ask_rows(spark, "top_ads", {"agg_ad_clicks": [*ads, outside]}, **DAYS)

    assert picked(answer, "ad_id", "ad_clicks") == [(2, 9), (1, 5), (3, 5)]


def test_small_cells_of_sessions_are_left_out(spark: SparkSession) -> None:
    cells = [{"region": "EU", "sessions": 1, "day": DAY}, {"region": "US", "sessions": 5, "day": DAY}]

    answer = ask_rows(spark, "ctr_cvr", {"agg_session_data": cells}, min_sessions=2, **DAYS)

    assert picked(answer, "region") == [("US",)]


def test_a_path_is_what_was_seen_and_clicked_before_oldest_first(spark: SparkSession) -> None:
    bought = {"user_id": 1, "conversion_ts": at("12:00"), "day": DAY, "value_usd": Decimal("2.50")}
    tables: dict[str, list[Row]] = {
        "fct_attributed_conversion": [bought, bought, {**bought, "user_id": 9}],
        "fct_ad_impressions": [
            {"user_id": 1, "campaign_id": 5, "impression_ts": at("10:00")},
            {"user_id": 1, "campaign_id": 5, "impression_ts": at("12:00:00.001")},
        ],
        "fct_ad_clicks": [{"user_id": 1, "campaign_id": 6, "click_ts": at("11:00")}],
    }

    answer = ask_rows(spark, "attribution_paths", tables, **DAYS)

    assert picked(answer, "path", "conversions", "value_usd") == [
        ("view 5 > click 6", 2, Decimal("5.00")),
        ("organic", 1, Decimal("2.50")),
    ]


def test_only_the_last_touches_are_shown(spark: SparkSession) -> None:
    bought = {"user_id": 1, "conversion_ts": at("12:00"), "day": DAY}
    clicks = [{"click_id": str(i), "user_id": 1, "campaign_id": i, "click_ts": at(f"11:0{i}")} for i in range(5)]
    tables = {"fct_attributed_conversion": [bought], "fct_ad_clicks": clicks}

    answer = ask_rows(spark, "attribution_paths", tables, touches=2, **DAYS)

    assert picked(answer, "path") == [("click 3 > click 4",)]


def test_return_on_spend_is_final_when_every_day_is_locked(spark: SparkSession) -> None:
    mart = {"advertiser_id": 1, "campaign_id": 7, "spend_usd": Decimal("1.5"), "value_usd_sum": Decimal("3.00")}
    days = [mart | {"day": DAY, "locked_from": at("00:00", 9)}]

    before = ask_rows(spark, "roas", {"mart_campaign_daily": days}, as_of=date(2026, 6, 8), **DAYS)
    after = ask_rows(spark, "roas", {"mart_campaign_daily": days}, as_of=date(2026, 6, 9), **DAYS)

    assert picked(before + after, "roas", "is_final") == [(2, False), (2, True)]


def test_return_on_spend_is_told_by_window_over_all_days(spark: SparkSession) -> None:
    mart = {"advertiser_id": 1, "campaign_id": 7, "spend_usd": Decimal("2")}
    days = [
        mart | {"day": DAY, "value_usd_sum": Decimal("3.00"), "value_click_usd": Decimal("3.00")},
        mart | {"day": DAY, "value_usd_sum": Decimal("1.00"), "value_view_usd": Decimal("1.00")},
    ]

    answer = ask_rows(spark, "roas", {"mart_campaign_daily": days}, **DAYS)

    assert picked(answer, "roas", "roas_click", "roas_view") == [(1, Decimal("0.75"), Decimal("0.25"))]


def test_return_on_spend_is_rounded_once(spark: SparkSession) -> None:
    """It is 2.000049999967: rounded to six places first, it would be 2.00005, and 2.0001."""
    mart = {"advertiser_id": 1, "campaign_id": 7, "spend_usd": Decimal("49998.750032"), "day": DAY}

    answer = ask_rows(spark, "roas", {"mart_campaign_daily": [mart | {"value_usd_sum": Decimal("100000.00")}]}, **DAYS)

    assert picked(answer, "roas") == [(Decimal("2.0000"),)]


def test_the_benchmark_names_both_ends_of_an_advertisers_day(spark: SparkSession) -> None:
    scored = [
        {"advertiser_id": 1, "creative_id": i, "z_score": Decimal(i - 10), "impressions": 1000, "day": DAY}
        for i in range(21)
    ]
    unscored = {"advertiser_id": 1, "creative_id": 99, "z_score": None, "day": DAY}

    answer = ask_rows(spark, "creative_benchmark", {"mart_creative_daily": [*scored, unscored]}, **DAYS)

    assert picked(answer, "creative_id", "is_good") == [(20, True), (19, True), (1, False), (0, False)]


def test_fatigue_is_told_by_frequency(spark: SparkSession) -> None:
    of = {"advertiser_id": 1, "creative_id": 2, "day": DAY}
    buckets = [
        of | {"frequency_bucket": "1", "impressions": 900, "ad_clicks": 90},
        of | {"frequency_bucket": "8+", "impressions": 100, "ad_clicks": 1},
        of | {"creative_id": 3, "frequency_bucket": "1", "impressions": 999},
    ]

    answer = ask_rows(spark, "creative_fatigue", {"agg_creative_daily": buckets}, **DAYS)

    assert picked(answer, "frequency_bucket", "ctr") == [("1", Decimal("0.1")), ("8+", Decimal("0.01"))]


def test_users_over_the_cap_are_those_who_saw_more_than_it(spark: SparkSession) -> None:
    shown: list[Row] = [{"user_id": 1}] * 3 + [{"user_id": 2}] * 2 + [{"user_id": 3, "is_valid": False}] * 9
    ours = [{"campaign_id": 5, "local_day": DAY} | row for row in shown]

    answer = ask_rows(spark, "frequency_cap", {"fct_ad_impressions": ours}, cap=2, **HOURS)

    assert picked(answer, "users", "users_over_cap", "share_over_cap", "most") == [(2, 1, Decimal("0.5"), 3)]


def test_pace_is_spend_so_far_over_an_even_share_of_the_budget(spark: SparkSession) -> None:
    """Twelve dollars of 24 in the first hour where the advertiser is: twelve times too fast, then six times."""
    shown = [
        {"campaign_id": 5, "local_day": DAY, "time_zone": "Europe/Berlin", "spend_micros": micros,
         "impression_ts": when, "ad_impression_hour": when.replace(minute=0)}
        for micros, when in ((12_000_000, at("22:30", 1)), (0, at("23:30", 1)))
    ]  # fmt: skip
    shown = [row | {"local_day": date(2026, 6, 2)} for row in shown]
    budget = {"campaign_id": 5, "daily_budget_usd": Decimal(24)}
    tables = {"fct_ad_impressions": shown, "dim_campaigns": [budget]}

    answer = ask_rows(spark, "delivery_health", tables, start=at("00:00", 2), end=at("00:00", 3))

    assert picked(answer, "local_hour", "pace") == [(0, Decimal("12")), (1, Decimal("6"))]


def test_spend_that_agrees_is_left_out_and_the_largest_difference_comes_first(spark: SparkSession) -> None:
    days = [
        {"campaign_id": i, "difference_usd": Decimal(difference), "streaming_difference_usd": Decimal(0), "day": DAY}
        for i, difference in ((1, "0.00"), (2, "0.01"), (3, "-5.00"))
    ]

    answer = ask_rows(spark, "spend_reconciliation", {"rec_spend_daily": days}, **DAYS)

    assert picked(answer, "campaign_id") == [(3,), (2,)]
