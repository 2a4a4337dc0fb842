"""Checks that concurrent writes to a lake are safe: on S3 two writers do not notice each other."""

from __future__ import annotations

import re

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.errors import ConfigError

S3 = re.compile(r"(s3[an]?)://")
# Delta's log stores for S3 that lock only within one process; "" is the default. Any other one was configured to lock.
LOCAL_LOCK_ONLY = ("io.delta.storage.S3SingleDriverLogStore", "")


def check(spark: SparkSession, settings: Settings) -> None:
    """Raises ConfigError for a lake on S3, unless conf says `single_writer` or names a log store that locks.

    Runs before anything is written, because two processes could lose each other's commits.
    """
    scheme = S3.match(settings.lake)
    if not scheme or settings.single_writer:
        return
    if spark.conf.get(f"spark.delta.logStore.{scheme[1]}.impl", "") in LOCAL_LOCK_ONLY:
        raise ConfigError(
            f"{settings.lake}: two processes that write a lake on S3 lose each other's commits. Set "
            "`single_writer: true` in conf/ if only one process writes at a time, or a log store that locks: "
            "docs/storage.md."
        )
