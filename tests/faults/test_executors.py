"""Executors that are killed during a run: Spark retries their tasks, and the rows do not change."""

from __future__ import annotations

import contextlib
import subprocess
import time

import psutil
import pytest
from faults.conftest import TABLES, State, state
from pyspark.sql import SparkSession
from support.command_line import FEED_ETL

from etl.conf import Settings

EXECUTOR = "CoarseGrainedExecutorBackend"
KILLS, PAUSE = 3, 2.0  # number of kills, seconds between two kills


def kill_one(process: psutil.Process) -> bool:
    """Kill the oldest running executor with SIGKILL."""
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # the process may have ended, or be a zombie
            if EXECUTOR in " ".join(child.cmdline()):
                child.kill()
                return True
    return False


@pytest.mark.slow
def test_executors_killed_during_a_run_change_nothing(spark: SparkSession, late: Settings, unharmed: State) -> None:
    """Three kills during a run on a cluster of two executors."""
    command = [FEED_ETL, "--master", "local-cluster[2,1,1024]", "--lake", late.lake, "--landing", late.landing, "run"]
    command += ["--from", "2026-06-01T08", "--to", "2026-06-01T11", *[w for name in TABLES for w in ("--table", name)]]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        process, killed = psutil.Process(running.pid), 0
        while running.poll() is None:
            if killed < KILLS:
                killed += kill_one(process)
            time.sleep(PAUSE)
        assert running.stderr
        assert running.returncode == 0, running.stderr.read()[-2000:]
    assert killed == KILLS
    assert state(spark, late) == unharmed
