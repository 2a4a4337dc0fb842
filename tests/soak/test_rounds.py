"""One round of each kind of accident; `make soak` runs many rounds."""

from __future__ import annotations

import random

import pytest
from pyspark.sql import SparkSession
from soak import concurrent_jobs, kills

from etl.conf import Settings


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_or_duplicates_nothing(spark: SparkSession, lake_with_share: Settings) -> None:
    assert list(kills.rounds(spark, lake_with_share, 2, random.Random(7))) == [[], []]


@pytest.mark.slow
def test_a_run_a_backfill_maintenance_and_a_reader_work_at_the_same_time(
    spark: SparkSession, lake_with_share: Settings
) -> None:
    assert list(concurrent_jobs.rounds(spark, lake_with_share, 2)) == [[], []]
