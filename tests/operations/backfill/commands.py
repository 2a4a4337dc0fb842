"""Starts the real `feed-etl backfill` command without waiting for its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.command_line import FEED_ETL

from etl import conf
from etl.conf import Settings

INTERVAL = ("--from", "2026-06-01T08", "--to", "2026-06-01T11")
WITH_V2 = (sys.executable, str(Path(__file__).with_name("with_v2.py")))


def start(settings: Settings, *arguments: str, program: tuple[str, ...] = (FEED_ETL,)) -> subprocess.Popen[str]:
    """Start `feed-etl backfill ARGUMENTS` in a process group of its own."""
    command = [*program, "--lake", settings.lake, "backfill", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(conf.home())}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def declare(settings: Settings, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start a backfill of the three simulated hours. Returns the process and the id that it has printed."""
    process = start(settings, "run", *INTERVAL, "--owner", "tests", "--reason", "a test", *arguments)
    assert process.stderr
    line = next(line for line in process.stderr if line.startswith("Declared"))
    return process, line.split()[1]


def resume(settings: Settings, backfill_id: str) -> subprocess.Popen[str]:
    """Start the rest of a declared backfill."""
    return start(settings, "run", "--resume", backfill_id)
