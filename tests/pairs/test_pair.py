"""A supported pair of Spark and Delta that set-up does not install: `make test-pair` runs these tests with it.

They are small: what is not public is called with the same parameters, and an hour goes from landing to a fact.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from soak import shares
from support.local_lake import local_settings

from etl.engine.spark import compatibility
from etl.operations.check import driver as checks


def test_the_pair_is_in_the_table(spark: SparkSession) -> None:
    compatibility.check(spark)
    page = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")
    assert f"| {spark.version} | {compatibility.delta_version(spark)} |" in page


@pytest.mark.slow
def test_shares_go_from_landing_to_facts_and_a_deep_check_finds_nothing(spark: SparkSession, tmp_path: Path) -> None:
    settings = local_settings(tmp_path)
    for number in (1, 2):
        shares.land(settings, number, hour=8 + number)
        assert shares.losses(spark, settings) == []
    assert checks.check(spark, settings, deep=True) == []
