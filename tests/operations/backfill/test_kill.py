"""A backfill that is killed with kill -9 at random moments and resumed gives the result of an unbroken one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from datetime import timedelta

import pytest
from operations.backfill.commands import declare, resume
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
    """Delete three hours of a fact and of a rollup."""
    for table in LOST:
        drop(spark, settings, table, [START + i * timedelta(hours=1) for i in range(3)])


def declared(settings: Settings) -> str:
    """Declare a backfill of the missing hours and kill it when it has printed its id."""
    process, backfill_id = declare(settings, "--only", "missing")
    kill(process)
    return backfill_id


def kill(process: subprocess.Popen[str]) -> None:
    """Kill the command and its JVM."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def killed(settings: Settings, backfill_id: str, after: float) -> bool:
    """Resume a backfill and kill it after some seconds. Returns False when it ended before."""
    process = resume(settings, backfill_id)
    try:
        assert process.wait(after) == 0, process.communicate()[1]
        return False
    except subprocess.TimeoutExpired:
        kill(process)
        return True


def test_a_backfill_killed_at_random_moments_and_resumed_equals_an_unbroken_one(
    spark: SparkSession, copied: Settings, simulated: Simulated
) -> None:
    """After each round of lost and rebuilt hours, rows and ledger equal those of an unbroken lake. Nothing is due.

    FEED_ETL_KILLS is the number of kills. The moment of a kill is random within the duration of an unbroken backfill.
    Each backfill that ends before its kill updates that duration.
    """
    duration = 600.0  # longer than any backfill takes
    moments: Counter[str] = Counter()
    while moments.total() < KILLS:
        lose(spark, copied)
        backfill_id, started, before = declared(copied), time.monotonic(), moments.total()
        while killed(copied, backfill_id, random.uniform(0.2, 1.1) * duration):
            moments[driver.progress_of(spark, copied, backfill_id)[0][0].state] += 1
        if moments.total() == before:
            duration = time.monotonic() - started
        assert content(spark, copied) == content(spark, simulated.settings)
        assert recorded(spark, copied) == recorded(spark, simulated.settings)
        again = runner.run(spark, copied, START, END).entries
        assert not [e.table_name for e in again if e.output_version is not None]
        print(f"killed when {dict(moments)}, nothing lost; unbroken it takes {duration:.0f} s", flush=True)
