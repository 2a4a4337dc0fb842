"""dim_ads: the versions of an ad."""

from __future__ import annotations

from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.ads.dims.dim_ads import TABLE, transform
from etl.subjects.ads.events import ADS
from etl.subjects.shared.bronze_tables import bronze_table


def test_a_new_creative_in_the_middle_of_a_day_is_a_new_version(spark: SparkSession) -> None:
    changes = [
        {"ad_id": 1, "creative_id": 10, "campaign_id": 5, "effective_ts": at("08:00")},
        {"ad_id": 1, "creative_id": 11, "campaign_id": 5, "effective_ts": at("12:00:00.001")},
    ]

    made = transform(rows(spark, bronze_table(ADS), changes))

    assert_rows(made, TABLE, [
        {"ad_id": 1, "creative_id": 10, "campaign_id": 5, "valid_to": at("12:00:00.001")},
        {"ad_id": 1, "creative_id": 11, "campaign_id": 5, "valid_to": None},
    ])  # fmt: skip


def test_a_delete_closes_the_last_version_of_an_ad(spark: SparkSession) -> None:
    changes = [
        {"ad_id": 1, "creative_id": 10, "campaign_id": 5, "effective_ts": at("08:00")},
        {"ad_id": 1, "op": "delete", "effective_ts": at("12:00")},
    ]

    made = transform(rows(spark, bronze_table(ADS), changes))

    assert_rows(made, TABLE, [{"ad_id": 1, "valid_to": at("12:00"), "is_deleted": True}])
