"""`python -m bench.grown`: an almost empty hour of a lake with a large ledger and a long list of erased people.

Two lakes read the same landing zone. One of them has a million digests of erased people, and thousands of ledger
commits that were never compacted. Both run hour after hour in turns, warm, in one session. The result is the ratio of
the medians.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from rich.console import Console

from bench.generate import HOUR, Shape, generate
from etl import conf
from etl.conf import Settings
from etl.engine.jobs import runner
from etl.engine.spark import files, session
from etl.engine.state import ledger_table
from etl.engine.state.ledger import Ledger
from etl.operations.erasure import register
from etl.transforms.snowflake import EPOCH_MS

ONE = timedelta(hours=1)
console = Console()


def land(landing: Path, number: int) -> None:
    """Land a small hour: a hundred impressions, with engagements, shares and heartbeats."""
    hour = HOUR + number * ONE
    first = (int(hour.timestamp() * 1000) - EPOCH_MS) << 22
    at = hour.isoformat()
    seen = [(first + n, n % 40, n % 10) for n in range(100)]
    score = {"feed_position": 1, "surface": "feed", "ranker_model_id": 1, "predicted_score": 0.5}
    records = {
        "impressions": [
            score | {"impression_id": i, "viewer_id": v, "post_id": p, "impression_ts": at} for i, v, p in seen
        ],
        "engagements": [
            {"engagement_id": i, "impression_id": i, "viewer_id": v, "post_id": p, "event_type": "like",
             "action": "do", "event_ts": at}
            for i, v, p in seen[::10]
        ],
        "shares": [
            {"share_id": i, "original_post_id": p, "shared_post_id": 99, "viewer_id": v, "share_ts": at}
            for i, v, p in seen[::25]
        ],
        "heartbeats": [
            {"impression_id": i, "viewer_id": v, "beat_seq": n, "beat_ts": at, "viewport_pct": 0.9}
            for i, v, _ in seen
            for n in range(4)
        ],
    }  # fmt: skip
    for event, lines in records.items():
        folder = landing / event / f"hour={hour:%Y-%m-%dT%H}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def seconds(spark: SparkSession, settings: Settings, number: int) -> float:
    """Run one landed hour of a lake and return the seconds. Raises the first error of a table."""
    started = time.monotonic()
    summary = runner.run(spark, settings, HOUR + number * ONE, HOUR + (number + 1) * ONE)
    for error in summary.errors.values():
        raise error
    return time.monotonic() - started


def erase_many(spark: SparkSession, lake: str, people: int) -> None:
    """Register digests of people who are in no record."""
    chance = random.Random(7)
    register.suppress(spark, lake, (chance.randrange(2**40, 2**50) for _ in range(people)))


def grow_ledger(spark: SparkSession, lake: str, commits: int) -> None:
    """Add ledger commits with one row each, like old runs that found nothing to do.

    The files and the log are written by hand: with a library, a commit takes 0.15 s, and all of them half an hour.
    """
    ledger = Ledger.existing(spark, lake)
    like = ledger_table.as_row(asdict(next(e for e in ledger.entries if e.table_name == "fct_impressions")))
    folder = files.local_folder(ledger.uri)
    table = DeltaTable(str(folder))
    schema = pa.schema(table.schema().to_arrow())
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(commits):
        at = begin + number * timedelta(minutes=5)
        row = like | {"run_id": f"old-{number}", "started_at": at, "hours": [], "touched": {}, "fingerprints": {}}
        file = folder / f"old-{number}.parquet"
        pq.write_table(pa.Table.from_pylist([row], schema=schema), file)
        add = {"path": file.name, "partitionValues": {}, "size": file.stat().st_size, "dataChange": True,
               "modificationTime": int(at.timestamp() * 1000), "stats": '{"numRecords":1}'}  # fmt: skip
        commit = folder / f"_delta_log/{table.version() + number + 1:020d}.json"
        commit.write_text(json.dumps({"add": add}) + "\n" + json.dumps({"commitInfo": {"operation": "WRITE"}}) + "\n")
        if number % 1000 == 999:
            DeltaTable(str(folder)).create_checkpoint()


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.grown", description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--commits", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("bench-data/grown"))
    given = parser.parse_args()
    shutil.rmtree(given.folder, ignore_errors=True)
    landing = given.folder / "landing"
    generate(landing, Shape(100))
    for number in range(1, given.rounds + 2):
        land(landing, number)
    young, old = (conf.load(landing=str(landing), lake=str(given.folder / name)) for name in ("young", "old"))
    spark = session.start(young)
    for settings in (young, old):
        seconds(spark, settings, 0)
    grow_ledger(spark, files.absolute(old.lake), given.commits)
    erase_many(spark, files.absolute(old.lake), given.people)
    first = seconds(spark, young, 1), seconds(spark, old, 1)
    console.print(f"the first hour afterwards: {first[0]:.1f} s without, {first[1]:.1f} s with")
    found = [(seconds(spark, young, n), seconds(spark, old, n)) for n in range(2, given.rounds + 2)]
    without, with_ = (median(pair[i] for pair in found) for i in (0, 1))
    ratio = with_ / without
    console.print(f"an hour: {without:.1f} s without, {with_:.1f} s with: {ratio:.2f} times ({found})")
    print(json.dumps({"first": first, "hours": found, "ratio": ratio}))


if __name__ == "__main__":
    main()
