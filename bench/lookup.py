"""Looks up one viewer's impressions of the hour: bytes that Spark reads, compared with all bytes of the hour."""

from __future__ import annotations

import json
import sys
import time

import psutil
from pyspark.sql import SparkSession

from bench.generate import HOUR
from etl import catalog, conf
from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import in_hours
from etl.engine.spark import session
from etl.engine.spark.jvm import jvm
from etl.engine.sql import views

VIEWER = 4711  # a viewer of the long tail


def _bytes_read(spark: SparkSession) -> int:
    """Bytes that the driver has read so far; the tasks run in the driver here."""
    driver = jvm(spark, "java.lang.ProcessHandle").current().pid()
    return int(psutil.Process(driver).io_counters().read_chars)


def main(_landing: str, lake: str) -> None:
    """Look up a viewer in an existing lake. Prints one JSON line with the share of bytes."""
    settings = conf.load(lake=lake)
    started = time.monotonic()
    spark = session.start(settings)
    ready = time.monotonic()
    table = catalog.entry("fct_impressions").table
    uri = views.uri(settings, table)
    hour = delta.read(spark, uri).where(in_hours(table, [HOUR]))
    total = sum(row["size"] for row in delta.live_files(spark, uri).collect())
    for viewer in (VIEWER + 1, VIEWER):  # the first look-up also reads the log and loads classes
        before = _bytes_read(spark)
        found = hour.where(f"viewer_id = {viewer}").collect()
        read = _bytes_read(spark) - before
    assert found, f"viewer {VIEWER} has no impressions"
    figures = {"bytes": read, "of": total}
    print(json.dumps({"session": ready - started, "seconds": time.monotonic() - ready, "tables": figures}))


if __name__ == "__main__":
    main(*sys.argv[1:])
