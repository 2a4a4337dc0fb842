"""Exact ratios: half up once, never clamped."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from etl.transforms.ratios import exact_ratio, null_reasons

CASES: list[tuple[int, int, Decimal | None]] = [
    (1, 3, Decimal("0.333333")),
    (1, 8_000_000, Decimal("0.000000")),  # 0.000000125
    (1, 2_000_000, Decimal("0.000001")),  # half of the last place goes up
    (4_999_999_999_999_999, 10**22, Decimal("0.000000")),  # a hair below half; two roundings would go up
    (10**18, 1, None),
    (10**18 - 1, 1, Decimal(10**18 - 1)),
    (0, 5, Decimal(0)),
    (5, 0, None),
    (5, -1, None),
]


def test_a_ratio_is_rounded_half_up_once_and_is_null_where_it_does_not_fit(spark: SparkSession) -> None:
    given = [(i, Decimal(n), Decimal(d)) for i, (n, d, _) in enumerate(CASES)]
    rows = spark.createDataFrame(given, "i INT, n DECIMAL(24,0), d DECIMAL(24,0)")

    found = rows.withColumn("ratio", exact_ratio("n", "d")).orderBy("i").select("ratio").collect()

    assert [row.ratio for row in found] == [wanted for _, _, wanted in CASES]


def test_a_null_ratio_has_one_reason(spark: SparkSession) -> None:
    given = [(1, 2, Decimal("0.5")), (1, 0, None), (1, 1, None)]
    rows = spark.createDataFrame(given, "n INT, d INT, cvr DECIMAL(24,6)")

    found = rows.select(null_reasons(cvr=("d", "no_clicks")).alias("why"), F.col("d")).collect()

    assert [row.why for row in found] == [[], ["cvr:no_clicks"], ["cvr:too_large"]]
