"""dim_advertisers: the versions of the time zone and the attribution windows of an advertiser."""

from __future__ import annotations

from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.ads.dims.dim_advertisers import TABLE, transform
from etl.subjects.ads.events import ADVERTISERS
from etl.subjects.shared.bronze_tables import bronze_table


def test_a_late_arriving_change_of_a_window_becomes_a_version_between_the_others(spark: SparkSession) -> None:
    berlin = {"advertiser_id": 2, "time_zone": "Europe/Berlin"}
    changes = [
        {**berlin, "click_window_days": 7, "effective_ts": at("08:00")},
        {**berlin, "click_window_days": 1, "effective_ts": at("12:00")},
        {**berlin, "click_window_days": 3, "effective_ts": at("10:00"), "landed_hour": at("20:00")},
    ]

    made = transform(rows(spark, bronze_table(ADVERTISERS), changes))

    assert_rows(made, TABLE, [
        {"click_window_days": 7, "valid_to": at("10:00")},
        {"click_window_days": 3, "valid_to": at("12:00")},
        {"click_window_days": 1, "valid_to": None},
    ])  # fmt: skip
