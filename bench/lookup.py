"""One viewer's impressions of the hour: the bytes Spark reads of them, beside all the bytes of the hour."""

from __future__ import annotations

import json
import sys
import time

import psutil
from pyspark.sql import SparkSession

from bench.generate import HOUR
from etl import catalog, conf
from etl.engine.delta import tables as delta
from etl.engine.jobs.run_context import in_hours
from etl.engine.spark import session
from etl.engine.spark.jvm import jvm
from etl.engine.sql import views

SOMEBODY = 4711  # a viewer of the long tail


def _passed(spark: SparkSession) -> int:
    """Bytes the driver has read so far, which is where tasks run here."""
    driver = jvm(spark, "java.lang.ProcessHandle").current().pid()
    return int(psutil.Process(driver).io_counters().read_chars)


def main(_landing: str, lake: str) -> None:
    """Look somebody up in a lake that is there; print one JSON line with the share of the bytes."""
    settings = conf.load(lake=lake)
    started = time.monotonic()
    spark = session.start(settings)
    ready = time.monotonic()
    table = catalog.entry("fct_impressions").table
    uri = views.uri(settings, table)
    hour = delta.read(spark, uri).where(in_hours(table, [HOUR]))
    total = sum(row["size"] for row in delta.live_files(spark, uri).collect())
    for viewer in (SOMEBODY + 1, SOMEBODY):  # the first also reads the log, and classes
        before = _passed(spark)
        found = hour.where(f"viewer_id = {viewer}").collect()
        read = _passed(spark) - before
    assert found, "nobody was looked up"
    figures = {"bytes": read, "of": total}
    print(json.dumps({"session": ready - started, "seconds": time.monotonic() - ready, "tables": figures}))


if __name__ == "__main__":
    main(*sys.argv[1:])
