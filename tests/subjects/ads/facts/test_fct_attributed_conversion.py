"""fct_attributed_conversion: the last click in its window, else the last view, else organic.

    view window          click window                       conversion
    |---- 1 day ----|    |------------- 7 days -------------|

Both windows are half-open: a touch exactly one window before the conversion earns nothing, and a touch at the time of
the conversion earns the credit.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from support.ads import ADVERTISER, CAMPAIGN, versions
from support.rows import Row, assert_rows, at, rows

from etl.subjects.ads.facts import fct_ad_clicks, fct_ad_impressions, fct_conversion_repeat, stg_conversions
from etl.subjects.ads.facts.fct_attributed_conversion import TABLE, transform

BOUGHT = at("12:00", 20)
MS, DAY = timedelta(milliseconds=1), timedelta(days=1)
ROW: Row = {"user_id": 1, "ad_id": 1, "campaign_id": CAMPAIGN, "advertiser_id": ADVERTISER}


def attributed(
    spark: SparkSession,
    clicks: list[Row] | None = None,
    views: list[Row] | None = None,
    conversions: list[Row] | None = None,
    advertisers: list[Row] | None = None,
    campaigns: list[Row] | None = None,
    repeats: list[Row] | None = None,
) -> DataFrame:
    """Attributed conversions; by default of user 1, on the 20th at noon."""
    bought = {"user_id": 1, "advertiser_id": ADVERTISER, "conversion_ts": BOUGHT, "received_ts": BOUGHT}
    held = versions(spark, campaigns=campaigns, advertisers=advertisers)
    return transform(
        rows(spark, stg_conversions.TABLE, [bought | c for c in conversions or [{}]]),
        rows(spark, fct_conversion_repeat.TABLE, repeats or []),
        rows(spark, fct_ad_clicks.TABLE, [ROW | {"click_id": f"{i:02}"} | c for i, c in enumerate(clicks or [])]),
        rows(spark, fct_ad_impressions.TABLE, [ROW | v for v in views or []]),
        held["dim_campaigns"],
        held["dim_advertisers"],
    )


def credit(made: DataFrame) -> list[tuple[str, Any]]:
    """(attribution, id of the touch) of each conversion, sorted by conversion id."""
    return [(r.attribution, r.click_id or r.ad_impression_id) for r in made.orderBy("conversion_id").collect()]


@pytest.mark.parametrize(("before", "earned"), [
    (timedelta(0), "click"),
    (7 * DAY - MS, "click"),
    (7 * DAY, "organic"),
    (-MS, "organic"),
])  # fmt: skip
def test_a_click_earns_credit_for_less_than_seven_days(spark: SparkSession, before: timedelta, earned: str) -> None:
    made = attributed(spark, clicks=[{"click_ts": BOUGHT - before}])

    assert credit(made) == [(earned, "00" if earned == "click" else None)]


@pytest.mark.parametrize(("before", "earned"), [
    (timedelta(0), "view"),
    (DAY - MS, "view"),
    (DAY, "organic"),
    (-MS, "organic"),
])  # fmt: skip
def test_a_view_earns_credit_for_less_than_a_day(spark: SparkSession, before: timedelta, earned: str) -> None:
    made = attributed(spark, views=[{"impression_ts": BOUGHT - before}])

    assert credit(made)[0][0] == earned


def test_an_old_click_wins_over_a_recent_view(spark: SparkSession) -> None:
    made = attributed(spark, [{"click_ts": BOUGHT - 6 * DAY}], [{"impression_ts": BOUGHT - MS}])

    assert credit(made) == [("click", "00")]


def test_the_last_click_earns_the_credit_and_ties_go_to_the_smaller_ad_and_session(spark: SparkSession) -> None:
    """The click ids, hashes of the grain, are in another order: they decide nothing."""
    times, ads, sessions = [BOUGHT - DAY, *[BOUGHT - MS] * 3], [1, 2, 2, 10], [5, 10, 9, 1]

    clicks = zip("dcba", times, ads, sessions, strict=True)
    made = attributed(spark, [{"click_id": i, "click_ts": t, "ad_id": a, "session_id": s} for i, t, a, s in clicks])

    assert credit(made) == [("click", "b")]


def test_of_views_at_the_same_time_the_smaller_id_earns_the_credit(spark: SparkSession) -> None:
    """Ids are compared as numbers: 9 is smaller than 10."""
    made = attributed(spark, views=[{"ad_impression_id": i, "impression_ts": BOUGHT - MS} for i in (10, 9)])

    assert credit(made) == [("view", 9)]


def test_the_windows_are_those_of_the_advertiser_as_of_the_conversion(spark: SparkSession) -> None:
    """The window becomes one day at noon. A conversion a millisecond earlier still has the week."""
    shortened: list[Row] = [{"valid_to": BOUGHT}, {"click_window_days": 1, "valid_from": BOUGHT}]
    conversions: list[Row] = [{"conversion_id": 1, "conversion_ts": BOUGHT - MS}, {"conversion_id": 2}]

    made = attributed(spark, [{"click_ts": BOUGHT - 2 * DAY}], conversions=conversions, advertisers=shortened)

    assert credit(made) == [("click", "00"), ("organic", None)]


def test_a_sale_of_one_shop_is_not_credited_to_a_later_click_on_the_advertisement_of_another(
    spark: SparkSession,
) -> None:
    """The naive answer is the last click of all, on shop B's advertisement. Shop A paid for the click before."""
    clicks: list[Row] = [
        {"click_id": "shop A", "click_ts": BOUGHT - 2 * DAY},
        {"click_id": "shop B", "click_ts": BOUGHT - DAY, "advertiser_id": 2000},
    ]
    advertisers: list[Row] = [{}, {"advertiser_id": 2000}]
    conversions: list[Row] = [{"conversion_id": 1}, {"conversion_id": 2, "advertiser_id": 3000}]

    made = attributed(spark, clicks, conversions=conversions, advertisers=advertisers)

    naive = max(clicks, key=lambda click: click["click_ts"])
    assert naive["click_id"] == "shop B"
    assert credit(made) == [("click", "shop A"), ("organic", None)]


def test_a_conversion_without_an_advertiser_keeps_the_old_rule(spark: SparkSession) -> None:
    """Rule version 1: a click of any advertiser wins, if it is in the window of its own advertiser."""
    advertisers = [{"click_window_days": 1}, {"advertiser_id": 2000, "click_window_days": 7}]
    clicks = [
        {"click_id": "long window", "click_ts": BOUGHT - 3 * DAY, "advertiser_id": 2000},
        {"click_id": "short window", "click_ts": BOUGHT - 2 * DAY},
    ]
    conversions: list[Row] = [{"conversion_id": 1, "advertiser_id": None}, {"conversion_id": 2, "advertiser_id": 2000}]

    made = attributed(spark, clicks, conversions=conversions, advertisers=advertisers)

    assert credit(made) == [("click", "long window"), ("click", "long window")]
    assert [r.rule_version for r in made.orderBy("conversion_id").collect()] == [1, 2]


@pytest.mark.parametrize(("window", "before", "earned"), [
    (28, 28 * DAY - MS, "click"), (28, 28 * DAY, "organic"), (0, timedelta(0), "organic"),
])  # fmt: skip
def test_a_click_window_has_up_to_28_days(spark: SparkSession, window: int, before: timedelta, earned: str) -> None:
    advertisers = [{"click_window_days": window}]

    made = attributed(spark, [{"click_ts": BOUGHT - before}], advertisers=advertisers)

    assert credit(made)[0][0] == earned


def test_a_conversion_without_a_user_is_organic(spark: SparkSession) -> None:
    made = attributed(spark, [{"click_ts": BOUGHT - MS}], conversions=[{"user_id": None}])

    assert credit(made) == [("organic", None)]


def test_an_organic_conversion_counts_on_the_day_of_its_advertiser(spark: SparkSession) -> None:
    """At 20:00 UTC it is the 21st in Tokyo. An unknown advertiser has UTC days."""
    late = BOUGHT + timedelta(hours=8)
    conversions: list[Row] = [{"conversion_id": 1}, {"conversion_id": 2, "advertiser_id": 3000}]

    made = attributed(
        spark,
        conversions=[c | {"conversion_ts": late, "received_ts": late} for c in conversions],
        advertisers=[{"time_zone": "Asia/Tokyo"}],
    )

    assert [r.local_day.day for r in made.orderBy("conversion_id").collect()] == [21, 20]


def test_the_objective_is_that_of_the_campaign_as_of_the_conversion(spark: SparkSession) -> None:
    """The campaign is for sign-ups from noon on. Before, it names no event, which means purchase."""
    campaigns: list[Row] = [{"valid_to": BOUGHT}, {"objective_event": "sign_up", "valid_from": BOUGHT}]
    conversions: list[Row] = [
        {"conversion_id": 1, "conversion_ts": BOUGHT - MS},
        {"conversion_id": 2},
        {"conversion_id": 3, "event_name": "sign_up"},
        {"conversion_id": 4, "user_id": 9},
    ]

    made = attributed(spark, [{"click_ts": BOUGHT - DAY}], conversions=conversions, campaigns=campaigns)

    found = [(r.event_name, r.is_objective) for r in made.orderBy("conversion_id").collect()]
    assert found == [("purchase", True), ("purchase", False), ("sign_up", True), ("purchase", None)]


def test_a_repeat_is_kept_with_its_credit(spark: SparkSession) -> None:
    conversions: list[Row] = [{"conversion_id": 1}, {"conversion_id": 2}]

    made = attributed(
        spark,
        [{"click_ts": BOUGHT - DAY}],
        conversions=conversions,
        repeats=[{"conversion_id": 2, "day": BOUGHT.date()}],
    )

    found = [(r.attribution, r.is_repeat) for r in made.orderBy("conversion_id").collect()]
    assert found == [("click", False), ("click", True)]


def test_other_users_invalid_traffic_and_unknown_ads_earn_no_credit(spark: SparkSession) -> None:
    touches: list[Row] = [{"user_id": 2}, {"is_valid": False}, {"advertiser_id": None}]
    clicks = [touch | {"click_ts": BOUGHT - MS} for touch in touches]
    views = [touch | {"impression_ts": BOUGHT - MS} for touch in touches]

    assert credit(attributed(spark, clicks, views)) == [("organic", None)]


def test_every_conversion_has_one_row_with_any_number_of_touches(spark: SparkSession) -> None:
    clicks = [{"click_ts": BOUGHT - i * MS} for i in range(5)]

    made = attributed(spark, clicks, conversions=[{"conversion_id": 1}, {"conversion_id": 2, "user_id": 2}])

    assert credit(made) == [("click", "00"), ("organic", None)]


def test_creative_campaign_and_session_are_those_of_the_touch(spark: SparkSession) -> None:
    made = attributed(spark, [{"click_ts": BOUGHT - DAY, "creative_id": 5, "campaign_id": 6, "session_id": 7}])

    assert_rows(made, TABLE, [{"touch_ts": BOUGHT - DAY, "creative_id": 5, "campaign_id": 6, "session_id": 7}])


@pytest.mark.parametrize(("zone", "locked"), [
    ("UTC", at("00:00", 28)),
    ("Europe/Berlin", at("22:00", 27)),
    ("America/Los_Angeles", at("07:00", 28)),
])  # fmt: skip
def test_a_day_is_locked_seven_days_after_its_end_in_the_time_zone_of_the_advertiser(
    spark: SparkSession, zone: str, locked: Any
) -> None:
    """A conversion received a millisecond before the lock is in time; one received at the lock is not."""
    conversions = [{"conversion_id": 1, "received_ts": locked - MS}, {"conversion_id": 2, "received_ts": locked}]

    made = attributed(spark, [{"click_ts": BOUGHT - MS}], conversions=conversions, advertisers=[{"time_zone": zone}])

    assert_rows(made, TABLE, [
        {"local_day": date(2026, 6, 20), "locked_from": locked, "is_in_time": True},
        {"local_day": date(2026, 6, 20), "locked_from": locked, "is_in_time": False},
    ])  # fmt: skip
