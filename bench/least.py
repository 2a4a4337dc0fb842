"""The least an hour costs Spark on this machine: scan what landed, bring it together by viewer, write it. Nothing else.

No record is judged, counted or joined, no table but these is made, there is no log.
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
    """Copy the facts of one landed hour; print one JSON line with the seconds."""
    started = time.monotonic()
    spark = session.start(conf.load(), "least")
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
