"""The installed `feed-etl`, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FEED_ETL = str(Path(sys.executable).parent / "feed-etl")
SOME_TIME = 1800  # seconds; who takes longer hangs


def feed_etl(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    place = {**os.environ, **environment}
    return subprocess.run([FEED_ETL, *arguments], capture_output=True, text=True, timeout=SOME_TIME, env=place)


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One clear line, the right exit code, no traceback."""
    assert done.returncode == code, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr and "stacktrace" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
