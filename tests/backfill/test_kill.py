"""kill -9 of the real command, at moments nobody chose, then `--resume`: as if never killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from datetime import timedelta

import pytest
from lakes import drop
from places import END, START, Simulated
from pyspark.sql import SparkSession
from test_cli import FEED_ETL, feed_etl
from test_order import content, recorded

from etl.conf import Settings
from etl.engine import runner

pytestmark = pytest.mark.slow
KILLS = 3
LONGEST = 25.0  # seconds a process lives at most before it is killed


def killed(settings: Settings, backfill_id: str, after: float) -> bool:
    """Go on with a backfill in a process group of its own and kill it, JVM and all; False when it was through."""
    command = [FEED_ETL, "--lake", settings.lake, "backfill", "run", "--resume", backfill_id]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(after)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def test_killed_at_random_moments_then_resumed_equals_never_killed(
    spark: SparkSession, copied: Settings, simulated: Simulated
) -> None:
    """Three lost hours of a fact and of a rollup; rows, ledger and what is due are those of an unbroken lake."""
    hours = [START + i * timedelta(hours=1) for i in range(3)]
    for table in ("fct_shares", "agg_post_engagement_hourly"):
        drop(spark, copied, table, hours)
    span = ("--from", "2026-06-01T08", "--to", "2026-06-01T11", "--only", "missing")
    place = ("--lake", copied.lake, "backfill")
    declared = subprocess.Popen(
        [FEED_ETL, *place, "run", *span, "--owner", "tests", "--reason", "kill"],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert declared.stderr
    line = next(line for line in declared.stderr if line.startswith("Declared"))
    os.killpg(declared.pid, signal.SIGKILL)
    declared.wait()
    backfill_id = line.split()[1]
    for _ in range(KILLS):
        if not killed(copied, backfill_id, random.uniform(8, LONGEST)):
            break
    state = json.loads(feed_etl(*place, "status", backfill_id, "--json").stdout)[0]["state"]
    if state != "done":
        done = feed_etl(*place, "run", "--resume", backfill_id)
        assert done.returncode == 0, done.stderr
    assert content(spark, copied) == content(spark, simulated.settings)
    assert recorded(spark, copied) == recorded(spark, simulated.settings)
    assert not [e.table_name for e in runner.run(spark, copied, START, END).entries if e.output_version is not None]
