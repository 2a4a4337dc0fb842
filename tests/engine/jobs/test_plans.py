"""An almost empty hour costs little more than its plans: each takes a tenth of a second, however few rows it reads."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pyspark.sql import SparkSession
from support.local_lake import local_settings
from support.plans import executions

from bench.generate import HOUR, Shape, generate
from etl.engine.jobs import runner

MOST = 125
"""All tables of the feed, their creation included. It was 381 before lists of files and audits were fused."""


def test_an_almost_empty_hour_runs_few_plans(spark: SparkSession, tmp_path: Path) -> None:
    settings = local_settings(tmp_path)
    generate(Path(settings.landing), Shape(100))

    before = executions(spark)
    summary = runner.run(spark, settings, HOUR, HOUR + timedelta(hours=1))

    assert not summary.errors and len(summary.entries) >= 18
    assert executions(spark) - before <= MOST
