"""stg_conversions: one row per conversion, in the hour it happened, whenever word of it came."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import SparkSession
from rows import assert_rows, at, rows

from etl.bronze import bronze_conversions
from etl.facts.stg_conversions import TABLE, transform


def test_a_conversion_told_of_days_later_lies_where_it_happened(spark: SparkSession) -> None:
    late = {
        "conversion_id": 3, "value_usd": Decimal("0.01"), "conversion_ts": at("09:59"), "received_ts": at("10:00", 9),
    }  # fmt: skip

    made = transform(rows(spark, bronze_conversions.TABLE, [late]))

    assert_rows(made, TABLE, [late | {"conversion_hour": at("09:00")}])
