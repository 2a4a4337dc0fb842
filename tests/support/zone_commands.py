"""Script for a process in some time zone: runs several commands over one lake and prints their output as JSON."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pyarrow.parquet as pq

from etl.cli import app

RANGE = ("--from", "2026-11-01T05", "--to", "2026-11-01T07")
EVERY_KIND = """SELECT share_hour, min(share_ts) AS first, array(max(share_ts)) AS list, struct(share_hour) AS struct,
    map('hour', share_hour) AS map, to_date(share_hour) AS day, hour(share_hour) AS of_day, count(*) AS shares
    FROM fct_shares GROUP BY share_hour ORDER BY share_hour"""
FIRST_AND_LAST = """SELECT timestamp'0001-01-01T00:00:00Z' AS first, timestamp'9999-12-31T23:59:59.999999Z' AS last,
    timestamp'+57441-01-01T00:00:00Z' AS beyond, date'0001-01-01' AS day, timestamp_ntz'2026-11-01 01:30:00' AS clock,
    interval 1 month AS month, time'01:30' AS time"""
ASK = ("query", "virality", "--param", "post_id=1")


def commands(folder: Path) -> dict[str, tuple[str, ...]]:
    """Name -> arguments. Each command must print the same in every time zone."""
    return {
        "run": ("run", *RANGE, "--table", "bronze_shares", "--table", "fct_shares"),
        "sql-table": ("sql", "SELECT share_hour, min(share_ts) AS first FROM fct_shares GROUP BY share_hour"),
        "sql-csv": ("sql", EVERY_KIND, "--format", "csv"),
        "sql-json": ("sql", EVERY_KIND, "--format", "json"),
        "sql-extremes": ("sql", FIRST_AND_LAST, "--format", "json"),
        "sql-where": ("sql", "SELECT count(*) AS n FROM fct_shares WHERE share_hour = '2026-11-01 06:00'"),
        "query-table": ASK,
        "query-csv": (*ASK, "--format", "csv"),
        "query-json": (*ASK, "--format", "json"),
        "query-parquet": (*ASK, "--format", "parquet", "--out", str(folder / "answer.parquet")),
        "query-explain": (*ASK, "--explain", "--format", "json"),
        "plan": ("backfill", "plan", *RANGE, "--table", "fct_shares", "--only", "all", "--json"),
        "maintain": ("maintain", "--dry-run", "--json"),
        "ledger": ("ledger", "--json"),
        "error": (*ASK, "--param", "start=2026-11-01T07", "--param", "end=2026-11-01T06"),
    }


def output_of(words: tuple[str, ...]) -> str:
    """The output of a command, or the text of its error."""
    out = io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            app(list(words), standalone_mode=False)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return out.getvalue()


def main(folder: Path) -> None:
    """Print a JSON document that maps each command to its output."""
    options = ("--lake", str(folder / "lake"), "--landing", str(folder / "landing"), "--master", "local[1]")
    found = {name: output_of((*options, *words)) for name, words in commands(folder).items()}
    if (answer := folder / "answer.parquet").is_file():
        found["query-parquet"] += str(pq.read_table(answer).to_pylist())
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
