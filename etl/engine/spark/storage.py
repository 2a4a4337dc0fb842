"""Whether several processes may write a lake where it is: on S3 nothing tells one of another."""

from __future__ import annotations

import re

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.errors import ConfigError

S3 = re.compile(r"(s3[an]?)://")
# Delta's stores for S3 whose lock is in the process that writes. Any other was chosen by somebody.
ALONE = ("io.delta.storage.S3SingleDriverLogStore", "")


def check(spark: SparkSession, settings: Settings) -> None:
    """Raises ConfigError before anything is written to S3 where two processes could lose each other's commits."""
    found = S3.match(settings.lake)
    if not found or settings.single_writer:
        return
    if spark.conf.get(f"spark.delta.logStore.{found[1]}.impl", "") in ALONE:
        raise ConfigError(
            f"{settings.lake}: two processes that write a lake on S3 lose each other's commits. Set "
            "`single_writer: true` in conf/ when only one at a time writes, or a log store that locks: docs/storage.md."
        )
