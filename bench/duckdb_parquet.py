"""The peer on one machine without Spark: DuckDB writes Parquet, without gate, quarantine, Delta or history."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import duckdb

from bench.generate import HOUR
from bench.statements import DERIVED, EVENTS, FACTS, SETTLED
from etl.transforms.snowflake import EPOCH_MS

ID_HOUR = f"date_trunc('hour', make_timestamptz(((impression_id >> 22) + {EPOCH_MS}) * 1000))"


def _fact(text: str) -> str:
    once = re.sub(r"\{once:(\w+):(\w+)\}", r"SELECT DISTINCT ON (\2) * FROM \1", text)
    return once.replace("{id_hour}", ID_HOUR)


def main(landing: str, lake: str, memory: str = "") -> None:
    """Build every table from one landed hour. Prints one JSON line with the seconds."""
    Path(lake).mkdir(parents=True, exist_ok=True)
    started, seconds = time.monotonic(), {}
    connection = duckdb.connect(f"{lake}/work.duckdb")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    if memory:
        connection.execute(f"SET memory_limit = '{memory}'")
    for event in EVENTS:
        files = f"{landing}/{event}/hour={HOUR:%Y-%m-%dT%H}/*.parquet"
        connection.execute(f"CREATE VIEW {event} AS SELECT * FROM read_parquet('{files}', hive_partitioning = false)")
    for name, text in {**FACTS, **DERIVED}.items():
        before = time.monotonic()
        if name == "agg_post_engagement_hourly":
            connection.execute(f"CREATE TABLE settled AS {SETTLED}")
        connection.execute(f"COPY ({_fact(text)}) TO '{lake}/{name}.parquet' (FORMAT parquet)")
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{lake}/{name}.parquet')")
        seconds[name] = time.monotonic() - before
    print(json.dumps({"session": 0.0, "seconds": time.monotonic() - started, "tables": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
