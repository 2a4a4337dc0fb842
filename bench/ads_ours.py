"""Ours: one landed hour of clicks, bronze to clicks by day, with gates, Delta and the ledger."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta

from bench.generate import HOUR
from etl import conf
from etl.engine import runner, session

TABLES = [
    *("bronze_ad_clicks", "bronze_page_events", "bronze_ads", "bronze_campaigns", "bronze_advertisers"),
    *("dim_ads", "dim_campaigns", "dim_advertisers"),
    *("stg_ad_clicks", "stg_page_events", "fct_ad_clicks", "agg_ad_clicks_5min", "agg_ad_clicks"),
]


def main(landing: str, lake: str) -> None:
    """Run the hour in a lake of its own; print one JSON line with the seconds and the ledger's figures."""
    started = time.monotonic()
    settings = conf.load(landing=landing, lake=lake)
    spark = session.start(settings)
    spark.range(1).count()
    ready = time.monotonic()
    summary = runner.run(spark, settings, HOUR, HOUR + timedelta(hours=1), TABLES)
    done = time.monotonic()
    for error in summary.errors.values():
        raise error
    tables = {e.table_name: {"seconds": e.seconds, **e.metrics} for e in summary.entries}
    print(json.dumps({"session": ready - started, "seconds": done - ready, "tables": tables}))


if __name__ == "__main__":
    main(*sys.argv[1:])
