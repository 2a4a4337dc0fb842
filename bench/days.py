"""Compares a daily mart built from hours with the same mart built from facts, in one session, without writing."""

from __future__ import annotations

import json
import sys
import time

from pyspark.sql import DataFrame, SparkSession

from etl import catalog, conf
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.spark import session
from etl.engine.sql import views

MART, ROLLUP = "mart_post_engagement_daily", "agg_post_engagement_hourly"


def _published(spark: SparkSession, settings: Settings, name: str) -> dict[str, DataFrame]:
    """The published inputs of a table."""
    return {i.table.name: delta.read(spark, views.uri(settings, i.table)) for i in catalog.entry(name).table.inputs}


def _seconds(rows: DataFrame) -> float:
    started = time.monotonic()
    rows.write.format("noop").mode("overwrite").save()
    return time.monotonic() - started


def main(_landing: str, lake: str) -> None:
    """Run both ways twice over an existing lake; the second run counts. Prints one JSON line."""
    started = time.monotonic()
    settings = conf.load(lake=lake)
    spark = session.start(settings)
    ready = time.monotonic()
    mart, rollup = catalog.entry(MART).transform, catalog.entry(ROLLUP).transform
    for _ in range(2):
        seconds = {
            "from hours": _seconds(mart(**_published(spark, settings, MART))),
            "from facts": _seconds(mart(rollup(**_published(spark, settings, ROLLUP)))),
        }
    print(json.dumps({"session": ready - started, "seconds": time.monotonic() - ready, "tables": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
