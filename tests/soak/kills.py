"""SIGKILL of a run and its JVM at a random moment. Then every landed share exists once, and the ledger is right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pyspark.sql import SparkSession
from soak import shares

from etl.conf import Settings

FEEDING = Path(__file__).with_name("feeding.py")
MAX_LENGTH = 6.0  # seconds from the first landing to the kill: two or three runs


def rounds(spark: SparkSession, settings: Settings, count: int, chance: random.Random) -> Iterator[list[str]]:
    """The losses of each round; empty lists when all is well."""
    for _ in range(count):
        _kill(settings, chance.uniform(0, MAX_LENGTH))
        yield shares.losses(spark, settings)


def _kill(settings: Settings, after: float) -> None:
    number = len(shares.landed(settings)) + 1
    command = [sys.executable, str(FEEDING), settings.lake, settings.landing, str(number)]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(["tests", "."])}
    with subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdout
        if not process.stdout.readline():
            raise RuntimeError("the process that lands shares ended by itself")
        time.sleep(after)
        os.killpg(process.pid, signal.SIGKILL)
