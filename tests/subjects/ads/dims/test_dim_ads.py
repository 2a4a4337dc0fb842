"""dim_ads: versions of an ad; a move to another campaign holds from its instant on."""

from __future__ import annotations

from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.ads.dims.dim_ads import TABLE, transform
from etl.subjects.ads.events import ADS
from etl.subjects.shared.bronze_tables import bronze_table


def test_a_creative_swapped_in_mid_day_is_a_version_of_its_own(spark: SparkSession) -> None:
    changes = [
        {"ad_id": 1, "creative_id": 10, "campaign_id": 5, "effective_ts": at("08:00")},
        {"ad_id": 1, "creative_id": 11, "campaign_id": 5, "effective_ts": at("12:00:00.001")},
    ]

    made = transform(rows(spark, bronze_table(ADS), changes))

    assert_rows(made, TABLE, [
        {"ad_id": 1, "creative_id": 10, "campaign_id": 5, "valid_to": at("12:00:00.001")},
        {"ad_id": 1, "creative_id": 11, "campaign_id": 5, "valid_to": None},
    ])  # fmt: skip


def test_a_deleted_ad_has_no_version_from_then_on(spark: SparkSession) -> None:
    changes = [
        {"ad_id": 1, "creative_id": 10, "campaign_id": 5, "effective_ts": at("08:00")},
        {"ad_id": 1, "op": "delete", "effective_ts": at("12:00")},
    ]

    made = transform(rows(spark, bronze_table(ADS), changes))

    assert_rows(made, TABLE, [{"ad_id": 1, "valid_to": at("12:00"), "is_deleted": True}])
