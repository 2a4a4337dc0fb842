"""kill -9 of the real command, at moments nobody chose, then `--resume`: as if never killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from datetime import timedelta

import pytest
from operations.backfill.commands import declare, go_on
from pyspark.sql import SparkSession
from support.lakes import drop
from support.local_lake import END, START, Simulated
from test_order import content, recorded

from etl.conf import Settings
from etl.engine.jobs import runner
from etl.operations.backfill import driver

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("FEED_ETL_KILLS", 3))
LOST = ("fct_shares", "agg_post_engagement_hourly")


def lose(spark: SparkSession, settings: Settings) -> None:
    """Three hours of a fact and of a rollup."""
    for table in LOST:
        drop(spark, settings, table, [START + i * timedelta(hours=1) for i in range(3)])


def declared(settings: Settings) -> str:
    """A backfill of what is missing, killed as soon as it says its id."""
    process, backfill_id = declare(settings, "--only", "missing")
    kill(process)
    return backfill_id


def kill(process: subprocess.Popen[str]) -> None:
    """The command and its JVM."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def killed(settings: Settings, backfill_id: str, after: float) -> bool:
    """Go on with a backfill and kill it; False when it was through before."""
    process = go_on(settings, backfill_id)
    try:
        assert process.wait(after) == 0, process.communicate()[1]
        return False
    except subprocess.TimeoutExpired:
        kill(process)
        return True


def test_killed_at_random_moments_then_resumed_equals_never_killed(
    spark: SparkSession, copied: Settings, simulated: Simulated
) -> None:
    """Rows, ledger and what is due are those of an unbroken lake, as often as hours are lost and built again.

    FEED_ETL_KILLS is how many kills there are; how long a backfill takes unbroken decides when they come, and each that
    was through before its moment tells that anew.
    """
    whole = 600.0  # longer than any takes
    moments: Counter[str] = Counter()
    while moments.total() < KILLS:
        lose(spark, copied)
        backfill_id, started, before = declared(copied), time.monotonic(), moments.total()
        while killed(copied, backfill_id, random.uniform(0.2, 1.1) * whole):
            moments[driver.progress_of(spark, copied, backfill_id)[0][0].state] += 1
        if moments.total() == before:
            whole = time.monotonic() - started
        assert content(spark, copied) == content(spark, simulated.settings)
        assert recorded(spark, copied) == recorded(spark, simulated.settings)
        again = runner.run(spark, copied, START, END).entries
        assert not [e.table_name for e in again if e.output_version is not None]
        print(f"killed when {dict(moments)}, nothing lost; unbroken it takes {whole:.0f} s", flush=True)
