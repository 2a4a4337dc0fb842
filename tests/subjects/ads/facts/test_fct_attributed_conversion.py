"""fct_attributed_conversion: the last click in the window, else the last view, else organic; edges to the millisecond.

    view window          click window                       conversion
    |---- 1 day ----|    |------------- 7 days -------------|

Both are half-open: a touch exactly a window before the conversion earns nothing, one at its own instant does.
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
OURS: Row = {"user_id": 1, "ad_id": 1, "campaign_id": CAMPAIGN, "advertiser_id": ADVERTISER}


def attributed(
    spark: SparkSession,
    clicks: list[Row] | None = None,
    views: list[Row] | None = None,
    conversions: list[Row] | None = None,
    advertisers: list[Row] | None = None,
) -> DataFrame:
    """Conversions of user 1 at noon of the 20th unless they say otherwise."""
    bought = {"user_id": 1, "conversion_ts": BOUGHT, "received_ts": BOUGHT}
    return transform(
        rows(spark, stg_conversions.TABLE, [bought | c for c in conversions or [{}]]),
        rows(spark, fct_ad_clicks.TABLE, [OURS | {"click_id": f"{i:02}"} | c for i, c in enumerate(clicks or [])]),
        rows(spark, fct_ad_impressions.TABLE, [OURS | v for v in views or []]),
        versions(spark, advertisers=advertisers)["dim_advertisers"],
    )


def credit(made: DataFrame) -> list[tuple[str, Any]]:
    """(attribution, touch) of each conversion, by id."""
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


def test_an_old_click_goes_before_a_fresh_view(spark: SparkSession) -> None:
    made = attributed(spark, [{"click_ts": BOUGHT - 6 * DAY}], [{"impression_ts": BOUGHT - MS}])

    assert credit(made) == [("click", "00")]


def test_of_several_clicks_the_last_one_earns_and_of_one_instant_the_smaller_id(spark: SparkSession) -> None:
    times = [BOUGHT - DAY, BOUGHT - MS, BOUGHT - MS, BOUGHT - 2 * DAY]

    made = attributed(spark, [{"click_ts": t, "click_id": i} for t, i in zip(times, "dcba", strict=True)])

    assert credit(made) == [("click", "b")]


def test_of_views_of_one_instant_the_smaller_id_earns(spark: SparkSession) -> None:
    """As a number: 9 before 10."""
    made = attributed(spark, views=[{"ad_impression_id": i, "impression_ts": BOUGHT - MS} for i in (10, 9)])

    assert credit(made) == [("view", 9)]


def test_the_windows_are_the_advertisers_as_of_the_conversion(spark: SparkSession) -> None:
    """Shortened to a day at noon: what converts a millisecond earlier still has a week."""
    shortened = [{"valid_to": BOUGHT}, {"click_window_days": 1, "valid_from": BOUGHT}]
    conversions = [{"conversion_id": 1, "conversion_ts": BOUGHT - MS}, {"conversion_id": 2}]

    made = attributed(spark, [{"click_ts": BOUGHT - 2 * DAY}], conversions=conversions, advertisers=shortened)

    assert credit(made) == [("click", "00"), ("organic", None)]


def test_a_click_out_of_its_advertisers_window_leaves_the_credit_to_anothers(spark: SparkSession) -> None:
    advertisers = [{"click_window_days": 1}, {"advertiser_id": 2000, "click_window_days": 7}]
    clicks = [
        {"click_id": "theirs", "click_ts": BOUGHT - 3 * DAY, "advertiser_id": 2000},
        {"click_id": "ours", "click_ts": BOUGHT - 2 * DAY},
    ]

    assert credit(attributed(spark, clicks, advertisers=advertisers)) == [("click", "theirs")]


def test_no_credit_for_others_for_invalid_traffic_or_for_an_unknown_ad(spark: SparkSession) -> None:
    affected_hours = [{"user_id": 2}, {"is_valid": False}, {"advertiser_id": None}]
    clicks = [touch | {"click_ts": BOUGHT - MS} for touch in affected_hours]
    views = [touch | {"impression_ts": BOUGHT - MS} for touch in affected_hours]

    assert credit(attributed(spark, clicks, views)) == [("organic", None)]


def test_every_conversion_is_there_once_however_many_touches_it_has(spark: SparkSession) -> None:
    clicks = [{"click_ts": BOUGHT - i * MS} for i in range(5)]

    made = attributed(spark, clicks, conversions=[{"conversion_id": 1}, {"conversion_id": 2, "user_id": 2}])

    assert credit(made) == [("click", "00"), ("organic", None)]


def test_whose_it_was_is_as_of_the_touch(spark: SparkSession) -> None:
    made = attributed(spark, [{"click_ts": BOUGHT - DAY, "creative_id": 5, "campaign_id": 6, "session_id": 7}])

    assert_rows(made, TABLE, [{"touch_ts": BOUGHT - DAY, "creative_id": 5, "campaign_id": 6, "session_id": 7}])


@pytest.mark.parametrize(("zone", "locked"), [
    ("UTC", at("00:00", 28)),
    ("Europe/Berlin", at("22:00", 27)),
    ("America/Los_Angeles", at("07:00", 28)),
])  # fmt: skip
def test_a_day_is_locked_seven_days_after_it_ended_where_the_advertiser_is(
    spark: SparkSession, zone: str, locked: Any
) -> None:
    """Word that comes a millisecond before counts, at that instant it does not."""
    conversions = [{"conversion_id": 1, "received_ts": locked - MS}, {"conversion_id": 2, "received_ts": locked}]

    made = attributed(spark, [{"click_ts": BOUGHT - MS}], conversions=conversions, advertisers=[{"time_zone": zone}])

    assert_rows(made, TABLE, [
        {"local_day": date(2026, 6, 20), "locked_from": locked, "is_in_time": True},
        {"local_day": date(2026, 6, 20), "locked_from": locked, "is_in_time": False},
    ])  # fmt: skip
