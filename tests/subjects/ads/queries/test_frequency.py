"""The named queries about how often people see a campaign, each with a few input rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pyspark.sql import SparkSession
from support.query_rows import picked, run_query
from support.rows import Row, at

DAY = at("00:00").date()


def test_users_over_the_cap_have_more_impressions_than_the_cap(spark: SparkSession) -> None:
    shown: list[Row] = [{"user_id": 1}] * 3 + [{"user_id": 2}] * 2 + [{"user_id": 3, "is_valid": False}] * 9
    impressions = [{"campaign_id": 5, "local_day": DAY} | row for row in shown]

    answer = run_query(
        spark, "frequency_cap", {"fct_ad_impressions": impressions}, cap=2, start=at("00:00"), end=at("00:00", 2)
    )

    assert picked(answer, "users", "users_over_cap", "share_over_cap", "most") == [(2, 1, Decimal("0.5"), 3)]


def test_the_frequency_of_a_week_counts_people_over_all_days_and_surfaces(spark: SparkSession) -> None:
    """The naive answer looks at single days, on which nobody saw the campaign more than twice.

    In Berlin the week is from 25 to 31 May. It begins at 22:00 UTC, and impressions of the first of June do not count.
    """
    began = datetime(2026, 5, 24, 22, tzinfo=UTC)
    days = [began + timedelta(days=i, hours=1) for i in range(7)]
    shown: list[Row] = [{"user_id": 1, "impression_ts": t} for t in [*days, *days]]
    shown += [{"user_id": 2, "impression_ts": days[0], "surface": s} for s in ("feed", "stories")]
    shown += [{"user_id": 3, "impression_ts": t} for t in (began, began - timedelta(microseconds=1), at("22:00"))]
    shown += [{"user_id": 4, "impression_ts": days[0], "is_valid": False}]
    zone = timedelta(hours=2)
    impressions = [
        {"advertiser_id": 1, "campaign_id": 5, "local_day": (row["impression_ts"] + zone).date()} | row for row in shown
    ]
    advertiser = {"advertiser_id": 1, "time_zone": "Europe/Berlin", "valid_from": began - timedelta(days=99)}
    tables = {"fct_ad_impressions": impressions, "dim_advertisers": [advertiser]}

    answer = run_query(spark, "frequency_distribution", tables, end=at("12:00"))

    assert picked(answer, "frequency", "people", "impressions", "reach", "people_over_cap") == [
        ("1", 1, 1, 3, 1), ("2-3", 1, 2, 3, 1), ("11+", 1, 14, 3, 1),
    ]  # fmt: skip
    assert picked(answer, "people_share", "impressions_share")[2] == (Decimal("0.333333"), Decimal("0.823529"))
    assert {row["is_over_capping"] for row in answer} == {False}


def test_a_campaign_is_over_capping_above_a_fifth_of_a_reach_above_ten_thousand(spark: SparkSession) -> None:
    """2,000 of 10,001 people are fewer than a fifth, 2,001 are more. The cap of the test is 1, to keep rows few."""

    def campaign(number: int, people: int, over: int) -> list[Row]:
        often = [{"campaign_id": number, "user_id": u} for u in range(over)]
        return often + [{"campaign_id": number, "user_id": u} for u in range(people)]

    seen = [*campaign(1, 10_001, 2_000), *campaign(2, 10_001, 2_001), *campaign(3, 10_000, 9_000)]
    yesterday: Row = {"advertiser_id": 1, "local_day": DAY, "impression_ts": at("10:00")}
    tables: dict[str, list[Row]] = {
        "fct_ad_impressions": [yesterday | row for row in seen], "dim_advertisers": [{"advertiser_id": 1}],
    }  # fmt: skip

    answer = run_query(spark, "frequency_distribution", tables, end=at("00:00", 2), cap=1)

    assert {row["campaign_id"]: row["is_over_capping"] for row in answer} == {1: False, 2: True, 3: False}
