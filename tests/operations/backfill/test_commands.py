"""The real command line: switch to other logic and back; cancel a running backfill from another terminal."""

from __future__ import annotations

import json
import os
import random
import signal
import time

import pytest
from operations.backfill.commands import INTERVAL, WITH_V2, declare, start
from pyspark.sql import SparkSession
from support.command_line import feed_etl
from support.lakes import drop, moved, uri, versions
from support.local_lake import START, Simulated
from test_order import content

from etl.conf import Settings
from etl.engine.delta import tables as delta

pytestmark = pytest.mark.slow
OTHER = ("--table", "fct_shares", "--owner", "tests", "--reason", "capitals", "--accept-changes")


def test_a_backfill_switches_to_other_logic_and_back(
    spark: SparkSession, copied: Settings, simulated: Simulated
) -> None:
    """v2 writes every channel in capitals. v1 brings the original rows back. No other table has a new version."""
    before = versions(spark, copied)
    for version, capitals in (("v2", True), ("v1", False)):
        switched = start(copied, "run", *INTERVAL, *OTHER, "--from-version", version, program=WITH_V2)
        assert switched.wait() == 0, switched.communicate()[1]
        channels = delta.read(spark, uri(copied, "fct_shares")).where("channel IS NOT NULL")
        assert channels.where(f"(channel = upper(channel)) != {capitals}").isEmpty()
    assert moved(spark, copied, before) == {"fct_shares"}
    assert content(spark, copied) == content(spark, simulated.settings)


def test_a_cancel_stops_a_running_backfill_and_frees_its_hours(spark: SparkSession, copied: Settings) -> None:
    """The process is suspended at a random moment during the cancel. It then ends with exit code 6 (conflict)."""
    drop(spark, copied, "fct_shares", [START])
    running, backfill_id = declare(copied)
    time.sleep(random.uniform(0, 8))
    os.killpg(running.pid, signal.SIGSTOP)
    refused = feed_etl("--lake", copied.lake, "backfill", "run", *INTERVAL, "--owner", "me", "--reason", "second")
    cancelled = feed_etl("--lake", copied.lake, "backfill", "cancel", backfill_id)
    os.killpg(running.pid, signal.SIGCONT)

    assert refused.returncode == 6 and backfill_id in refused.stderr
    assert cancelled.returncode == 0 and "is cancelled" in cancelled.stdout
    assert (running.wait(), "cancelled meanwhile" in running.communicate()[1]) == (6, True)
    (status,) = json.loads(feed_etl("--lake", copied.lake, "backfill", "status", "--json").stdout)
    assert (status["id"], status["state"]) == (backfill_id, "cancelled")
    again, _ = declare(copied, "--table", "fct_shares", "--only", "missing")
    assert again.wait() == 0
