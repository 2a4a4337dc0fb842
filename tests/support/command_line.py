"""Runs the installed `feed-etl` command, like a user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FEED_ETL = str(Path(sys.executable).parent / "feed-etl")
SOME_TIME = 1800  # seconds; a command that takes longer hangs


def feed_etl(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    variables = {**os.environ, **environment}
    return subprocess.run([FEED_ETL, *arguments], capture_output=True, text=True, timeout=SOME_TIME, env=variables)


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Assert the exit code, that stderr contains `words`, and that it contains no traceback."""
    assert done.returncode == code, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr and "stacktrace" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
