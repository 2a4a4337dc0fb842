"""A round of each kind of accident; `make soak` has as many as there is time for."""

from __future__ import annotations

import random

import pytest
from pyspark.sql import SparkSession
from soak import crowd, kills

from etl.conf import Settings


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost_or_doubled(spark: SparkSession, fed: Settings) -> None:
    assert list(kills.rounds(spark, fed, 2, random.Random(7))) == [[], []]


@pytest.mark.slow
def test_a_run_a_backfill_maintenance_and_a_reader_at_once(spark: SparkSession, fed: Settings) -> None:
    assert list(crowd.rounds(spark, fed, 2)) == [[], []]
