"""The named queries of ads, each with a few input rows."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from support.query_rows import picked, run_query
from support.rows import Row, at

DAY = date(2026, 6, 1)
DAYS: dict[str, Any] = {"start": DAY, "end": date(2026, 6, 2)}
HOURS: dict[str, Any] = {"start": at("00:00"), "end": at("00:00", 2)}


def test_the_window_of_the_last_minutes_is_half_open_and_ends_ago_minutes_before_end(spark: SparkSession) -> None:
    """The window is from 10:53 (inclusive) to 10:58 (exclusive)."""
    times = ["10:52:59.999", "10:53", "10:57:59.999", "10:58"]
    clicks = [{"click_id": t, "ad_id": 1, "user_id": i, "click_ts": at(t)} for i, t in enumerate(times)]

    answer = run_query(spark, "clicks_last_minutes", {"fct_ad_clicks": clicks}, end=at("11:00"), ago=2)

    assert picked(answer, "ad_id", "ad_clicks", "users") == [(1, 2, 2)]


def test_the_window_of_the_last_minutes_can_start_in_an_earlier_hour_and_skips_invalid_clicks(
    spark: SparkSession,
) -> None:
    clicks = [
        {"click_id": "a", "ad_id": 1, "click_ts": at("09:59")},
        {"click_id": "b", "ad_id": 1, "click_ts": at("10:01"), "is_valid": False},
    ]

    answer = run_query(spark, "clicks_last_minutes", {"fct_ad_clicks": clicks}, end=at("11:00"), minutes=90)

    assert picked(answer, "ad_clicks") == [(1,)]


def test_top_ads_are_sorted_by_clicks_then_by_id(spark: SparkSession) -> None:
    ads = [{"ad_id": ad, "ad_clicks": clicks, "day": DAY} for ad, clicks in ((3, 5), (1, 5), (2, 9))]
    outside = {"ad_id": 3, "ad_clicks": 99, "day": DAYS["end"]}

    answer = run_query(spark, "top_ads", {"agg_ad_clicks": [*ads, outside]}, **DAYS)

    assert picked(answer, "ad_id", "ad_clicks") == [(2, 9), (1, 5), (3, 5)]


def test_rows_with_few_sessions_are_left_out(spark: SparkSession) -> None:
    cells = [{"region": "EU", "sessions": 1, "day": DAY}, {"region": "US", "sessions": 5, "day": DAY}]

    answer = run_query(spark, "ctr_cvr", {"agg_session_data": cells}, min_sessions=2, **DAYS)

    assert picked(answer, "region") == [("US",)]


def test_a_path_is_the_touches_before_the_conversion_oldest_first(spark: SparkSession) -> None:
    """A click on another advertiser's ad is no step of the path, and a repeat is no conversion."""
    sold: Row = {"user_id": 1, "advertiser_id": 1, "rule_version": 2, "conversion_ts": at("12:00"), "day": DAY}
    bought = sold | {"value_usd": Decimal("2.50")}
    tables: dict[str, list[Row]] = {
        "fct_attributed_conversion": [bought, bought, {**bought, "user_id": 9}, {**bought, "is_repeat": True}],
        "fct_ad_impressions": [
            {"user_id": 1, "advertiser_id": 1, "campaign_id": 5, "impression_ts": at("10:00")},
            {"user_id": 1, "advertiser_id": 1, "campaign_id": 5, "impression_ts": at("12:00:00.001")},
        ],
        "fct_ad_clicks": [
            {"user_id": 1, "advertiser_id": 1, "campaign_id": 6, "click_ts": at("11:00")},
            {"user_id": 1, "advertiser_id": None, "campaign_id": 7, "click_ts": at("11:30")},
            {"user_id": 1, "advertiser_id": 2, "campaign_id": 8, "click_ts": at("11:40")},
        ],
    }

    answer = run_query(spark, "attribution_paths", tables, **DAYS)

    assert picked(answer, "path", "conversions", "value_usd") == [
        ("view 5 > click 6", 2, Decimal("5.00")),
        ("organic", 1, Decimal("2.50")),
    ]


def test_a_path_of_rule_version_1_has_touches_of_any_advertiser(spark: SparkSession) -> None:
    bought = {"user_id": 1, "advertiser_id": 1, "conversion_ts": at("12:00"), "day": DAY}
    clicks = [
        {"user_id": 1, "click_id": str(i), "advertiser_id": i, "campaign_id": i, "click_ts": at(f"11:0{i}")}
        for i in (1, 2)
    ]
    tables: dict[str, list[Row]] = {"fct_attributed_conversion": [bought], "fct_ad_clicks": clicks}

    assert picked(run_query(spark, "attribution_paths", tables, **DAYS), "path") == [("click 1 > click 2",)]


def test_a_path_has_only_the_last_touches(spark: SparkSession) -> None:
    bought = {"user_id": 1, "conversion_ts": at("12:00"), "day": DAY}
    touch = {"user_id": 1, "advertiser_id": 1}
    clicks = [{**touch, "click_id": str(i), "campaign_id": i, "click_ts": at(f"11:0{i}")} for i in range(5)]
    tables = {"fct_attributed_conversion": [bought], "fct_ad_clicks": clicks}

    answer = run_query(spark, "attribution_paths", tables, touches=2, **DAYS)

    assert picked(answer, "path") == [("click 3 > click 4",)]


def test_roas_is_final_when_every_day_is_locked(spark: SparkSession) -> None:
    mart = {"advertiser_id": 1, "campaign_id": 7, "spend_usd": Decimal("1.5"), "value_usd_sum": Decimal("3.00")}
    days = [mart | {"day": DAY, "locked_from": at("00:00", 9)}]

    before = run_query(spark, "roas", {"mart_campaign_daily": days}, as_of=date(2026, 6, 8), **DAYS)
    after = run_query(spark, "roas", {"mart_campaign_daily": days}, as_of=date(2026, 6, 9), **DAYS)

    assert picked(before + after, "roas", "is_final") == [(2, False), (2, True)]


def test_an_interval_is_not_final_while_a_day_without_a_row_is_open(spark: SparkSession) -> None:
    """The second local day ends 12 hours after the UTC day. Until its lock, a conversion may still add a row."""
    mart = {"advertiser_id": 1, "campaign_id": 7, "spend_usd": Decimal("1.5"), "value_usd_sum": Decimal("3.00")}
    tables: dict[str, list[Row]] = {
        "mart_campaign_daily": [mart | {"day": DAY, "locked_from": at("00:00", 9)}],
        "dim_advertisers": [{"advertiser_id": 1, "time_zone": "Etc/GMT+12"}],
    }
    two_days = {"start": date(2026, 6, 1), "end": date(2026, 6, 3)}

    on_the_tenth, after = (run_query(spark, "roas", tables, as_of=date(2026, 6, day), **two_days) for day in (10, 11))

    assert picked(on_the_tenth + after, "is_final") == [(False,), (True,)]


def test_roas_by_window_is_computed_over_all_days(spark: SparkSession) -> None:
    mart = {"advertiser_id": 1, "campaign_id": 7, "spend_usd": Decimal("2")}
    days = [
        mart | {"day": DAY, "value_usd_sum": Decimal("3.00"), "value_click_usd": Decimal("3.00")},
        mart | {"day": DAY, "value_usd_sum": Decimal("1.00"), "value_view_usd": Decimal("1.00")},
    ]

    answer = run_query(spark, "roas", {"mart_campaign_daily": days}, as_of=DAY, **DAYS)

    assert picked(answer, "roas", "roas_click", "roas_view") == [(1, Decimal("0.75"), Decimal("0.25"))]


def test_roas_is_rounded_once(spark: SparkSession) -> None:
    """The value is 2.00000049996. Rounded to seven places first, it would be 2.0000005 and then 2.000001."""
    mart = {"advertiser_id": 1, "campaign_id": 7, "spend_usd": Decimal("49999.987501"), "day": DAY}

    worth: Row = mart | {"value_usd_sum": Decimal("100000.00")}
    answer = run_query(spark, "roas", {"mart_campaign_daily": [worth]}, as_of=DAY, **DAYS)

    assert picked(answer, "roas") == [(Decimal("2.000000"),)]


def test_the_benchmark_lists_the_best_and_the_worst_creatives_of_an_advertisers_day(spark: SparkSession) -> None:
    scored = [
        {"advertiser_id": 1, "creative_id": i, "z_score": Decimal(i - 10), "impressions": 1000, "day": DAY}
        for i in range(21)
    ]
    unscored = {"advertiser_id": 1, "creative_id": 99, "z_score": None, "day": DAY}

    answer = run_query(spark, "creative_benchmark", {"mart_creative_daily": [*scored, unscored]}, **DAYS)

    assert picked(answer, "creative_id", "is_good") == [(20, True), (19, True), (1, False), (0, False)]


def test_the_benchmark_leaves_out_the_only_creative_of_an_advertisers_day(spark: SparkSession) -> None:
    scored = [
        {"advertiser_id": advertiser, "creative_id": creative, "z_score": Decimal(creative), "day": DAY}
        for advertiser, creative in ((1, 1), (2, 2), (2, 3))
    ]

    answer = run_query(spark, "creative_benchmark", {"mart_creative_daily": scored}, **DAYS)

    assert picked(answer, "creative_id") == [(3,), (2,)]


def test_fatigue_has_a_ctr_per_frequency_bucket(spark: SparkSession) -> None:
    creative = {"advertiser_id": 1, "creative_id": 2, "day": DAY}
    buckets = [
        creative | {"frequency_bucket": "1", "impressions": 900, "ad_clicks": 90},
        creative | {"frequency_bucket": "8+", "impressions": 100, "ad_clicks": 1},
        creative | {"creative_id": 3, "frequency_bucket": "1", "impressions": 999},
    ]

    answer = run_query(spark, "creative_fatigue", {"agg_creative_daily": buckets}, **DAYS)

    assert picked(answer, "frequency_bucket", "ctr") == [("1", Decimal("0.1")), ("8+", Decimal("0.01"))]


def paced(spark: SparkSession, day: date, spent: list[Row], campaign: Row | None = None, **params: Any) -> list[Row]:
    """delivery_health of campaign 5, with 24 dollars a day, of an advertiser in Berlin, on a day in the past."""
    impression: Row = {"campaign_id": 5, "local_day": day, "time_zone": "Europe/Berlin"}
    begun: Row = {"advertiser_id": 1, "valid_from": datetime(2026, 1, 1, tzinfo=UTC)}
    tables = {
        "fct_ad_impressions": [impression | row for row in spent],
        "dim_campaigns": [begun | {"campaign_id": 5, "daily_budget_usd": Decimal(24)} | (campaign or {})],
        "dim_advertisers": [begun | {"time_zone": "Europe/Berlin"}],
    }
    midnight = datetime.combine(day, time(), UTC)
    over: dict[str, Any] = {
        "start": midnight,
        "end": midnight + timedelta(days=1),
        "as_of": midnight + timedelta(days=2),
    }
    return run_query(spark, "delivery_health", tables, **over | params)


def test_pace_is_spend_so_far_over_an_even_share_of_the_budget(spark: SparkSession) -> None:
    """The first local hour spends 12 of 24 dollars, so the pace is 12 after one hour and 6 after two hours."""
    spent: list[Row] = [{"spend_micros": 12_000_000, "impression_ts": at("22:30", 1)}]

    answer = paced(spark, date(2026, 6, 2), spent, as_of=at("00:00", 2))

    assert picked(answer, "local_hour", "spend_usd", "spent_usd", "even_usd", "pace") == [
        (0, 12, 12, 1, 12),
        (1, 0, 12, 2, 6),
    ]


def test_a_campaign_without_delivery_has_a_row_for_every_hour(spark: SparkSession) -> None:
    answer = paced(spark, DAY, [])

    assert picked(answer, "local_hour", "spent_usd", "pace") == [(hour, 0, 0) for hour in range(24)]


def test_a_campaign_has_rows_for_the_hours_it_was_live(spark: SparkSession) -> None:
    """It is live from 10:45 to 12:00 in Berlin, which is two hours ahead of UTC, and not live on the next day."""
    live = {"valid_from": at("08:45"), "valid_to": at("10:00")}

    assert picked(paced(spark, DAY, [], live), "local_hour") == [(10,), (11,)]
    assert paced(spark, date(2026, 6, 2), [], live) == []


@pytest.mark.parametrize(("day", "hours", "share"), [
    (date(2026, 3, 29), [0, 1, *range(3, 24)], {1: Decimal(2) / 23, 3: Decimal(3) / 23, 23: Decimal(1)}),
    (date(2026, 10, 25), list(range(24)), {1: Decimal(2) / 25, 2: Decimal(4) / 25, 23: Decimal(1)}),
])  # fmt: skip
def test_a_day_has_the_local_hours_that_the_clocks_show(
    spark: SparkSession, day: date, hours: list[int], share: dict[int, Decimal]
) -> None:
    """March skips an hour and October repeats one. The even pace still reaches the whole budget at the day's end."""
    answer = paced(spark, day, [])

    assert [row["local_hour"] for row in answer] == hours
    even = {row["local_hour"]: row["even_usd"] for row in answer}
    assert {hour: even[hour] for hour in share} == {h: round(24 * part, 6) for h, part in share.items()}


def test_pace_is_rounded_once(spark: SparkSession) -> None:
    """The pace at the end of the day is 2.00004999999. Rounded to six places first, it would be 2.0001."""
    spent: list[Row] = [{"spend_micros": 99_999_999_937, "impression_ts": at("12:00")}]

    answer = paced(spark, DAY, spent, {"daily_budget_usd": Decimal("49998.75")})

    assert answer[-1]["pace"] == Decimal("2.0000")


def test_differences_are_sorted_by_size_and_rows_without_one_are_left_out(spark: SparkSession) -> None:
    days = [
        {"campaign_id": i, "difference_usd": Decimal(difference), "streaming_difference_usd": Decimal(0), "day": DAY}
        for i, difference in ((1, "0.00"), (2, "0.01"), (3, "-5.00"))
    ]

    answer = run_query(spark, "spend_reconciliation", {"rec_spend_daily": days}, **DAYS)

    assert picked(answer, "campaign_id") == [(3,), (2,)]


def test_a_scheduled_change_of_the_time_zone_does_not_delay_a_final_roas(spark: SparkSession) -> None:
    """The time zone changes a month later. The days of the interval are locked in the time zone they had."""
    mart = {"advertiser_id": 1, "campaign_id": 7, "spend_usd": Decimal("1.5"), "value_usd_sum": Decimal("3.00")}
    moves = at("00:00", 30)
    tables: dict[str, list[Row]] = {
        "mart_campaign_daily": [mart | {"day": DAY, "locked_from": at("00:00", 9)}],
        "dim_advertisers": [
            {"advertiser_id": 1, "time_zone": "UTC", "valid_to": moves},
            {"advertiser_id": 1, "time_zone": "Etc/GMT+12", "valid_from": moves},
        ],
    }

    before = run_query(spark, "roas", tables, as_of=date(2026, 6, 9), **DAYS)
    later = run_query(spark, "roas", tables, as_of=date(2026, 7, 9), **DAYS)

    assert picked(before + later, "is_final") == [(True,), (True,)]


def test_a_scheduled_change_of_the_budget_does_not_affect_earlier_hours(spark: SparkSession) -> None:
    """The version with the current budget ends on the third; hours before it keep this budget."""
    tomorrow = at("00:00", 3)
    answer = paced(spark, DAY, [], {"valid_to": tomorrow}, as_of=at("00:00", 2))

    assert {row["daily_budget_usd"] for row in answer} == {24}
