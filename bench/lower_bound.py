"""The lower bound for an hour with Spark on this machine: scan the landed records, shuffle them by viewer, write them.

It validates, counts and joins nothing, builds no other table, and writes no Delta log.
"""

from __future__ import annotations

import json
import sys
import time

from bench.generate import HOUR
from etl import conf
from etl.engine.spark import session

EVENTS = ("impressions", "engagements", "shares", "heartbeats")


def main(landing: str, lake: str) -> None:
    """Copy the facts of one landed hour. Prints one JSON line with the seconds."""
    started = time.monotonic()
    spark = session.start(conf.load(), "lower-bound")
    spark.range(1).count()
    ready, seconds = time.monotonic(), {}
    for event in EVENTS:
        before = time.monotonic()
        landed = spark.read.parquet(f"{landing}/{event}/hour={HOUR:%Y-%m-%dT%H}")
        landed.repartition("viewer_id").write.parquet(f"{lake}/{event}")
        seconds[event] = time.monotonic() - before
    print(json.dumps({"session": ready - started, "seconds": time.monotonic() - ready, "tables": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
