"""fct_ad_clicks: dimensions as of the click, a stable id, and which clicks are valid traffic."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.ads import OWNERS, versions
from support.rows import Row, assert_rows, at, rows

from etl.subjects.ads.facts import stg_ad_clicks, stg_page_events
from etl.subjects.ads.facts.fct_ad_clicks import TABLE, transform
from etl.subjects.ads.measures import MAX_CLICKS_PER_HOUR

CLICK: Row = {"ad_id": 1, "user_id": 2, "session_id": 3}


def clicked(spark: SparkSession, clicks: list[Row], pages: list[Row] | None = None, **dims: list[Row]) -> DataFrame:
    events = rows(spark, stg_page_events.TABLE, [{"user_id": 2, "session_id": 3} | page for page in pages or []])
    return transform(rows(spark, stg_ad_clicks.TABLE, [CLICK | c for c in clicks]), events, **versions(spark, **dims))


def validity(made: DataFrame) -> list[bool]:
    """is_valid of each click, sorted by time."""
    return [r.is_valid for r in made.orderBy("click_ts", "session_id").collect()]


def test_a_click_has_the_creative_campaign_and_advertiser_of_its_time(spark: SparkSession) -> None:
    """A version that starts at the time of the click holds for it; a version that ends at this time does not."""
    moved = [
        {"creative_id": 10, "valid_to": at("12:00:00.001")},
        {"creative_id": 11, "valid_from": at("12:00:00.001")},
    ]

    made = clicked(spark, [{"click_ts": at("12:00:00")}, {"click_ts": at("12:00:00.001"), "user_id": 9}], ads=moved)

    assert_rows(made, TABLE, [OWNERS | {"user_id": 2, "creative_id": 10}, OWNERS | {"user_id": 9, "creative_id": 11}])


def test_a_click_on_an_unknown_ad_is_kept_without_a_campaign(spark: SparkSession) -> None:
    made = clicked(spark, [{"ad_id": 77}])

    assert_rows(made, TABLE, [{"ad_id": 77, "creative_id": None, "campaign_id": None, "local_day": None}])


def test_local_day_is_in_the_time_zone_of_the_advertiser(spark: SparkSession) -> None:
    berlin = [{"time_zone": "Europe/Berlin"}]

    made = clicked(spark, [{"click_ts": at("21:59:59.999")}, {"click_ts": at("22:00")}], advertisers=berlin)

    assert_rows(made, TABLE, [
        {"click_ts": at("21:59:59.999"), "local_day": date(2026, 6, 1)},
        {"click_ts": at("22:00"), "local_day": date(2026, 6, 2)},
    ])  # fmt: skip


def test_click_id_is_the_sha256_of_the_grain(spark: SparkSession) -> None:
    when = at("10:00:00.123456")

    made = clicked(spark, [{"click_ts": when}])

    grain = f"1|2|3|{int(when.timestamp()) * 1_000_000 + 123_456}"
    assert_rows(made, TABLE, [{"click_id": hashlib.sha256(grain.encode()).hexdigest()[:32]}])


def test_device_and_region_are_the_last_values_of_the_session_before_the_click(spark: SparkSession) -> None:
    """A page event at the time of the click counts. Later events and events of other sessions do not."""
    pages: list[Row] = [
        {"event_ts": at("09:50"), "device": "phone", "region": "EU"},
        {"event_ts": at("10:00"), "device": "tablet"},
        {"event_ts": at("10:00:00.001"), "device": "tv", "region": "US"},
        {"event_ts": at("09:59"), "device": "watch", "session_id": 4},
    ]

    made = clicked(spark, [{"click_ts": at("10:00")}], pages)

    assert_rows(made, TABLE, [{"device": "tablet", "region": "EU"}])


def test_a_page_event_six_hours_before_the_click_belongs_to_another_visit(spark: SparkSession) -> None:
    """A run of one hour reads pages from 04:00 on, a run of the day reads all pages. Both give the same rows."""
    page: Row = {"device": "phone", "region": "EU"}
    pages = [page | {"event_ts": at("04:30:00.001")}, page | {"event_ts": at("04:30"), "session_id": 4}]

    made = clicked(spark, [{"click_ts": at("10:30")}, {"click_ts": at("10:30"), "session_id": 4}], pages)

    assert_rows(made, TABLE, [
        {"session_id": 3, "device": "phone", "region": "EU"},
        {"session_id": 4, "device": None, "region": None},
    ])  # fmt: skip


def test_a_second_click_within_a_second_is_not_valid(spark: SparkSession) -> None:
    times = [at("10:00"), at("10:00:00.999999"), at("10:00:02"), at("10:00:03")]

    assert validity(clicked(spark, [{"click_ts": t} for t in times])) == [True, False, True, True]


def test_a_double_click_across_the_hour_is_found(spark: SparkSession) -> None:
    times = [at("09:59:59.500"), at("10:00:00.400")]

    assert validity(clicked(spark, [{"click_ts": t} for t in times])) == [True, False]


def test_clicks_on_two_ads_are_not_a_double_click(spark: SparkSession) -> None:
    assert validity(clicked(spark, [{"ad_id": 1}, {"ad_id": 2}])) == [True, True]


def test_more_than_the_maximum_of_clicks_per_hour_makes_only_that_hour_invalid(spark: SparkSession) -> None:
    many = [{"click_ts": at("10:00") + timedelta(seconds=2 * i)} for i in range(MAX_CLICKS_PER_HOUR + 1)]

    made = clicked(spark, [{"click_ts": at("09:30")}, *many])

    assert validity(made) == [True] + [False] * len(many)


def test_the_maximum_of_clicks_per_hour_is_valid(spark: SparkSession) -> None:
    many = [{"click_ts": at("10:00") + timedelta(seconds=2 * i)} for i in range(MAX_CLICKS_PER_HOUR)]

    assert all(validity(clicked(spark, many)))


def test_rows_are_range_partitioned_by_user(spark: SparkSession) -> None:
    """The contract says `preclustered`: no user is in two tasks, and each task has one range of users."""
    made = clicked(spark, [{"user_id": u % 40, "click_ts": at("10:00") + timedelta(minutes=u)} for u in range(200)])

    ranges = made.groupBy(F.spark_partition_id()).agg(F.min("user_id"), F.max("user_id")).collect()

    borders = [border for _, first, last in sorted(ranges, key=lambda r: r[1]) for border in (first, last)]
    assert len(ranges) > 1
    assert borders == sorted(borders)
    assert len(set(borders[1:-1])) == len(borders) - 2
