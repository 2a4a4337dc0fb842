"""feed-etl as a contender: one landed hour from bronze to marts, with gates, Delta and the ledger."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta

from bench.generate import HOUR
from etl import conf
from etl.engine.jobs import runner
from etl.engine.spark import session


def main(landing: str, lake: str, *tables: str) -> None:
    """Run the hour in an empty lake, all tables or the named ones. Prints seconds and ledger figures as JSON."""
    started = time.monotonic()
    settings = conf.load(landing=landing, lake=lake)
    spark = session.start(settings)
    spark.range(1).count()
    ready = time.monotonic()
    summary = runner.run(spark, settings, HOUR, HOUR + timedelta(hours=1), list(tables) or None)
    done = time.monotonic()
    for error in summary.errors.values():
        raise error
    figures = {e.table_name: {"seconds": e.seconds, **e.metrics} for e in summary.entries}
    print(json.dumps({"session": ready - started, "seconds": done - ready, "tables": figures}))


if __name__ == "__main__":
    main(*sys.argv[1:])
