"""Any order of landing gives the same tables of ads: late changes reach every table that reads them."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.local_lake import ADS_START, local_settings
from test_order import content

from etl.engine.jobs import runner
from etl.subjects.ads.simulate import AdsScenario, simulate_ads


@pytest.mark.slow
def test_running_the_last_hours_first_gives_the_same_rows(spark: SparkSession, tmp_path: Path) -> None:
    """Conversions land before their clicks, sessions before their start, and dimension changes after the traffic."""
    at_once, last_first = local_settings(tmp_path / "at_once"), local_settings(tmp_path / "last_first")
    start, middle, end = (ADS_START + timedelta(hours=h) for h in (22, 24, 52))
    simulate_ads(Path(at_once.landing), AdsScenario(start, end, 300, 7, busy=(0, 1, 2)))
    shutil.copytree(at_once.landing, last_first.landing)

    assert not runner.run(spark, at_once, start, end).errors
    for first, last in ((middle, end), (start, middle)):
        assert not runner.run(spark, last_first, first, last).errors

    assert content(spark, last_first) == content(spark, at_once)
