"""An almost empty hour in a started session, compared with a minimal table: one Delta write and one read."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta

from pyspark.sql import SparkSession

from bench.generate import HOUR
from etl import conf
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.spark import session


def minimal(spark: SparkSession, path: str) -> float:
    """Seconds to write one row as a Delta table and to read it."""
    started = time.monotonic()
    spark.range(1).write.format("delta").save(path)
    delta.read(spark, path).collect()
    return time.monotonic() - started


def main(landing: str, lake: str) -> None:
    """Run the hour into two lakes in one session, cold and warm, and the minimal table. Prints one JSON line."""
    settings = conf.load(landing=landing, lake=lake)
    started = time.monotonic()
    spark = session.start(settings)
    ready = time.monotonic()
    seconds = {"minimal cold": minimal(spark, f"{lake}/minimal-1")}
    for name in ("cold", "warm"):
        before = time.monotonic()
        summary = runner.run(
            spark, settings.model_copy(update={"lake": f"{lake}/{name}"}), HOUR, HOUR + timedelta(hours=1)
        )
        for error in summary.errors.values():
            raise error
        seconds[name] = time.monotonic() - before
    seconds["minimal warm"] = min(minimal(spark, f"{lake}/minimal-{n}") for n in (2, 3, 4))
    print(json.dumps({"session": ready - started, "seconds": seconds["warm"], "tables": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
