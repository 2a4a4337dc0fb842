"""`make soak`: rounds of random kills, concurrent jobs, hostile files and bred lines. Exit code 1 after any loss."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console
from soak import concurrent_jobs, guided, hostile, kills, shares, test_fuzz
from support.local_lake import local_settings

from etl import conf
from etl.engine.spark import session

console = Console()
JAVA_OPTIONS = "spark.driver.extraJavaOptions"
FILES = 1400  # per run; each batch has other files


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs at random moments")
    parser.add_argument(
        "--concurrent", type=int, default=100, help="rounds of run, backfill, maintenance and reader at once"
    )
    parser.add_argument("--files", type=int, default=10_000, help="hostile landing files")
    parser.add_argument("--generations", type=int, default=1000, help="files of lines bred by code coverage")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random moments and files")
    return parser.parse_args()


def _batches(spark: SparkSession, folder: Path, files: int, seed: int) -> Iterator[list[str]]:
    landed = 0
    while landed < files:
        settings = local_settings(folder / str(landed))
        batch = hostile.land(Path(settings.landing), FILES, seed + landed, columnar=10)
        landed += batch.files
        try:
            test_fuzz.check(spark, settings, batch)
            yield []
        except AssertionError as error:
            yield [f"files {landed - batch.files} to {landed}: {error}"]


def _report(name: str, found: Iterable[list[str]]) -> int:
    """Print the losses of each round. Returns the number of rounds with a loss."""
    started, bad, count = time.monotonic(), 0, 0
    for count, lost in enumerate(found, 1):
        bad += bool(lost)
        for loss in lost:
            console.print(f"{name}, round {count}: {loss}", markup=False, soft_wrap=True)
        if count % 10 == 0:
            console.print(f"{name}: {count} rounds so far, {bad} with a loss, {time.monotonic() - started:.0f} s")
    console.print(f"{name}: {count} rounds, {bad} with a loss, {time.monotonic() - started:.0f} s")
    return bad


def main() -> None:
    """Run each kind of test in turn."""
    options = _arguments()
    small = dict(session.SMALL_HOURS)
    if options.generations:
        small[JAVA_OPTIONS] = f"{small.get(JAVA_OPTIONS, '')} {guided.agent()}"
    spark = session.start(conf.load("local", master="local[2]").model_copy(update={"spark": small}), "soak")
    with tempfile.TemporaryDirectory(prefix="feed-etl-soak-") as name:
        folder = Path(name)
        chance = random.Random(options.seed)
        bad = _report(
            "kills",
            kills.rounds(spark, shares.lake_with_share(spark, local_settings(folder / "kills")), options.kills, chance),
        )
        bad += _report(
            "concurrent",
            concurrent_jobs.rounds(
                spark, shares.lake_with_share(spark, local_settings(folder / "concurrent")), options.concurrent
            ),
        )
        bad += _report("hostile files, batches", _batches(spark, folder / "files", options.files, options.seed))
        bred = guided.rounds(spark, local_settings(folder / "bred"), options.generations, chance)
        bad += _report("generations of lines", bred)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
