"""Lands a share and runs the pipeline, again and again, until it is killed: `python feeding.py LAKE LANDING NUMBER`."""

from __future__ import annotations

import sys

from soak import shares

from etl import conf
from etl.engine.spark import session

if __name__ == "__main__":
    settings = conf.load("local", master="local[2]", lake=sys.argv[1], landing=sys.argv[2])
    spark = session.start(session.with_options(settings, session.SMALL_HOURS), "feeding")
    number = int(sys.argv[3])
    while True:
        shares.land(settings, number)
        print(number, flush=True)
        shares.run(spark, settings)
        number += 1
