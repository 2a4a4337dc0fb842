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

from etl.subjects.ads.facts import fct_ad_clicks, fct_ad_impressions, stg_conversions
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
) -> DataFrame:
    """Attributed conversions; by default of user 1, on the 20th at noon."""
    bought = {"user_id": 1, "conversion_ts": BOUGHT, "received_ts": BOUGHT}
    return transform(
        rows(spark, stg_conversions.TABLE, [bought | c for c in conversions or [{}]]),
        rows(spark, fct_ad_clicks.TABLE, [ROW | {"click_id": f"{i:02}"} | c for i, c in enumerate(clicks or [])]),
        rows(spark, fct_ad_impressions.TABLE, [ROW | v for v in views or []]),
        versions(spark, advertisers=advertisers)["dim_advertisers"],
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


def test_the_last_click_earns_the_credit_and_ties_go_to_the_smaller_id(spark: SparkSession) -> None:
    times = [BOUGHT - DAY, BOUGHT - MS, BOUGHT - MS, BOUGHT - 2 * DAY]

    made = attributed(spark, [{"click_ts": t, "click_id": i} for t, i in zip(times, "dcba", strict=True)])

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


def test_a_click_outside_its_window_leaves_the_credit_to_a_click_of_another_advertiser(spark: SparkSession) -> None:
    advertisers = [{"click_window_days": 1}, {"advertiser_id": 2000, "click_window_days": 7}]
    clicks = [
        {"click_id": "long window", "click_ts": BOUGHT - 3 * DAY, "advertiser_id": 2000},
        {"click_id": "short window", "click_ts": BOUGHT - 2 * DAY},
    ]

    assert credit(attributed(spark, clicks, advertisers=advertisers)) == [("click", "long window")]


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
