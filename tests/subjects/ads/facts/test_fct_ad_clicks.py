"""fct_ad_clicks: what was known at the click, a stable id, and which clicks are taken for valid traffic."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.ads import OURS, versions
from support.rows import Row, assert_rows, at, rows

from etl.subjects.ads.facts import stg_ad_clicks, stg_page_events
from etl.subjects.ads.facts.fct_ad_clicks import TABLE, transform
from etl.subjects.ads.measures import MAX_CLICKS_PER_HOUR

CLICK: Row = {"ad_id": 1, "user_id": 2, "session_id": 3}


def clicked(spark: SparkSession, clicks: list[Row], pages: list[Row] | None = None, **dims: list[Row]) -> DataFrame:
    told = rows(spark, stg_page_events.TABLE, [{"user_id": 2, "session_id": 3} | page for page in pages or []])
    return transform(rows(spark, stg_ad_clicks.TABLE, [CLICK | c for c in clicks]), told, **versions(spark, **dims))


def validity(made: DataFrame) -> list[bool]:
    """is_valid of each click, by time."""
    return [r.is_valid for r in made.orderBy("click_ts", "session_id").collect()]


def test_a_click_has_the_ad_campaign_and_advertiser_as_of_its_instant(spark: SparkSession) -> None:
    """The version that begins at the click holds for it, the one that ends there does not."""
    moved = [
        {"creative_id": 10, "valid_to": at("12:00:00.001")},
        {"creative_id": 11, "valid_from": at("12:00:00.001")},
    ]

    made = clicked(spark, [{"click_ts": at("12:00:00")}, {"click_ts": at("12:00:00.001"), "user_id": 9}], ads=moved)

    assert_rows(made, TABLE, [OURS | {"user_id": 2, "creative_id": 10}, OURS | {"user_id": 9, "creative_id": 11}])


def test_a_click_on_an_ad_nobody_told_of_is_kept_without_a_campaign(spark: SparkSession) -> None:
    made = clicked(spark, [{"ad_id": 77}])

    assert_rows(made, TABLE, [{"ad_id": 77, "creative_id": None, "campaign_id": None, "local_day": None}])


def test_the_day_is_the_advertisers_own(spark: SparkSession) -> None:
    berlin = [{"time_zone": "Europe/Berlin"}]

    made = clicked(spark, [{"click_ts": at("21:59:59.999")}, {"click_ts": at("22:00")}], advertisers=berlin)

    assert_rows(made, TABLE, [
        {"click_ts": at("21:59:59.999"), "local_day": date(2026, 6, 1)},
        {"click_ts": at("22:00"), "local_day": date(2026, 6, 2)},
    ])  # fmt: skip


def test_the_id_is_a_hash_that_anybody_can_compute(spark: SparkSession) -> None:
    when = at("10:00:00.123456")

    made = clicked(spark, [{"click_ts": when}])

    grain = f"1|2|3|{int(when.timestamp()) * 1_000_000 + 123_456}"
    assert_rows(made, TABLE, [{"click_id": hashlib.sha256(grain.encode()).hexdigest()[:32]}])


def test_device_and_region_are_what_the_session_had_told_by_then(spark: SparkSession) -> None:
    """At the click's own instant counts, after it does not; another session's do not."""
    pages: list[Row] = [
        {"event_ts": at("09:50"), "device": "phone", "region": "EU"},
        {"event_ts": at("10:00"), "device": "tablet"},
        {"event_ts": at("10:00:00.001"), "device": "tv", "region": "US"},
        {"event_ts": at("09:59"), "device": "watch", "session_id": 4},
    ]

    made = clicked(spark, [{"click_ts": at("10:00")}], pages)

    assert_rows(made, TABLE, [{"device": "tablet", "region": "EU"}])


def test_what_was_told_six_hours_before_is_of_another_visit(spark: SparkSession) -> None:
    """A run of this hour reads pages from 04:00 on, a run of the day all: either says the same."""
    told: Row = {"device": "phone", "region": "EU"}
    pages = [told | {"event_ts": at("04:30:00.001")}, told | {"event_ts": at("04:30"), "session_id": 4}]

    made = clicked(spark, [{"click_ts": at("10:30")}, {"click_ts": at("10:30"), "session_id": 4}], pages)

    assert_rows(made, TABLE, [
        {"session_id": 3, "device": "phone", "region": "EU"},
        {"session_id": 4, "device": None, "region": None},
    ])  # fmt: skip


def test_a_second_click_within_a_second_is_not_valid(spark: SparkSession) -> None:
    times = [at("10:00"), at("10:00:00.999999"), at("10:00:02"), at("10:00:03")]

    assert validity(clicked(spark, [{"click_ts": t} for t in times])) == [True, False, True, True]


def test_a_double_click_over_the_hour_is_one_too(spark: SparkSession) -> None:
    times = [at("09:59:59.500"), at("10:00:00.400")]

    assert validity(clicked(spark, [{"click_ts": t} for t in times])) == [True, False]


def test_clicks_on_two_ads_are_no_double_click(spark: SparkSession) -> None:
    assert validity(clicked(spark, [{"ad_id": 1}, {"ad_id": 2}])) == [True, True]


def test_none_of_a_machines_clicks_is_valid_and_its_other_hours_are(spark: SparkSession) -> None:
    many = [{"click_ts": at("10:00") + timedelta(seconds=2 * i)} for i in range(MAX_CLICKS_PER_HOUR + 1)]

    made = clicked(spark, [{"click_ts": at("09:30")}, *many])

    assert validity(made) == [True] + [False] * len(many)


def test_as_many_clicks_as_a_person_makes_are_valid(spark: SparkSession) -> None:
    many = [{"click_ts": at("10:00") + timedelta(seconds=2 * i)} for i in range(MAX_CLICKS_PER_HOUR)]

    assert all(validity(clicked(spark, many)))


def test_users_are_left_in_ranges_for_the_files(spark: SparkSession) -> None:
    """As the contract says of it: no user in two tasks, and the users of a task are neighbours, in order."""
    made = clicked(spark, [{"user_id": u % 40, "click_ts": at("10:00") + timedelta(minutes=u)} for u in range(200)])

    ranges = made.groupBy(F.spark_partition_id()).agg(F.min("user_id"), F.max("user_id")).collect()

    borders = [border for _, first, last in sorted(ranges, key=lambda r: r[1]) for border in (first, last)]
    assert len(ranges) > 1
    assert borders == sorted(borders)
    assert len(set(borders[1:-1])) == len(borders) - 2
