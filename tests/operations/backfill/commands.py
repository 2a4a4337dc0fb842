"""The real `feed-etl backfill`, started and not waited for."""

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


def start(settings: Settings, *words: str, program: tuple[str, ...] = (FEED_ETL,)) -> subprocess.Popen[str]:
    """`feed-etl backfill WORDS` in a process group of its own."""
    command = [*program, "--lake", settings.lake, "backfill", *words]
    place = {**os.environ, "PYTHONPATH": str(conf.home())}
    return subprocess.Popen(
        command, env=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def declare(settings: Settings, *words: str) -> tuple[subprocess.Popen[str], str]:
    """A backfill of the three simulated hours that has just said its id."""
    process = start(settings, "run", *INTERVAL, "--owner", "tests", "--reason", "a test", *words)
    assert process.stderr
    line = next(line for line in process.stderr if line.startswith("Declared"))
    return process, line.split()[1]


def go_on(settings: Settings, backfill_id: str) -> subprocess.Popen[str]:
    """What is left of one."""
    return start(settings, "run", "--resume", backfill_id)
