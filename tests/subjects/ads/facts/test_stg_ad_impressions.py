"""stg_ad_impressions: one row per impression, in the hour it was shown."""

from __future__ import annotations

from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.ads.events import AD_IMPRESSIONS
from etl.subjects.ads.facts.stg_ad_impressions import TABLE, transform
from etl.subjects.shared.bronze_tables import bronze_table


def test_an_impression_without_a_session_has_the_hour_it_was_shown(spark: SparkSession) -> None:
    shown = {"ad_impression_id": 4, "session_id": None, "impression_ts": at("09:59:59.999")}

    made = transform(rows(spark, bronze_table(AD_IMPRESSIONS), [shown]))

    assert_rows(made, TABLE, [shown | {"ad_impression_hour": at("09:00")}])
