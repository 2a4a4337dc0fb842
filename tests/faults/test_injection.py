"""Failing file-system calls, one at a time, in run, erase, maintain and backfill: a random share, or all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from etl import conf

STORIES = ("run", "erase", "erase-creator", "maintain", "backfill")
pytestmark = pytest.mark.slow  # half a minute per call
LONG = 6 * 3600  # seconds


@pytest.mark.skipif(shutil.which("javac") is None, reason="the failing file systems are compiled with javac")
def test_a_failing_call_loses_nothing() -> None:
    """The fault gives one FeedEtlError, and every table stays readable. A second run gives the usual result."""
    command = [sys.executable, "-m", "faults.injection", *STORIES, "--share", os.environ.get("FEED_ETL_SHARE", "0.02")]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(conf.home() / "tests"), str(conf.home())])}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=LONG, check=False)
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if "LOSS" in line) or done.stderr
    assert sum(line.count("losses 0") for line in done.stdout.splitlines()) == len(STORIES)
