"""Every file below a landed hour, at any depth, is read or reported: no file is ignored silently."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from support.rows import at

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from etl.engine.spark import files
from etl.engine.sql import views
from etl.errors import GateFailed

HOUR = "hour=2026-06-01T10"


def share(number: int, clock: str = "10:15") -> dict[str, object]:
    """A valid share record."""
    when = at(clock)
    return {"share_id": number, "original_post_id": 1, "shared_post_id": 2, "viewer_id": 7, "share_ts": when}


def put(settings: Settings, path: str, number: int, clock: str = "10:15") -> Path:
    """Write a file with one share to a path below the folder of shares. The suffix of the path sets the format."""
    file = Path(settings.landing) / "shares" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if path.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist([share(number, clock)]), file)
    else:
        file.write_text(json.dumps(share(number, clock), default=str) + "\n")
    return file


def ids(spark: SparkSession, settings: Settings) -> dict[int, int]:
    """Share id -> its landed hour."""
    shares = delta.read(spark, views.uri(settings, catalog.entry("bronze_shares").table))
    return {row[0]: row[1] for row in shares.selectExpr("share_id", "hour(landed_hour)").collect()}


def run(spark: SparkSession, settings: Settings) -> Summary:
    return runner.run(spark, settings, at("10:00"), at("12:00"), tables=["bronze_shares"])


def test_files_in_subfolders_of_an_hour_are_read_except_hidden_files(spark: SparkSession, settings: Settings) -> None:
    """As Spark, Hive and Flink write them: two hours in one run, a subfolder named like an hour, equal names."""
    put(settings, f"{HOUR}/a.jsonl", 1)
    put(settings, f"{HOUR}/batch.parquet/part-0.parquet", 2)
    put(settings, f"{HOUR}/batch.parquet/_SUCCESS", 99)
    put(settings, f"{HOUR}/partition=0/a.jsonl", 3)
    put(settings, f"{HOUR}/hour=2026-06-01T03/a b%20é.jsonl", 4)
    put(settings, f"{HOUR}/_temporary/0/a.jsonl", 99)
    put(settings, "hour=2026-06-01T11/a/b/c/a.parquet", 5, "11:15")
    assert not run(spark, settings).errors
    assert ids(spark, settings) == {1: 10, 2: 10, 3: 10, 4: 10, 5: 11}
    put(settings, f"{HOUR}/partition=1/a.jsonl", 6)
    assert not run(spark, settings).errors
    assert len(ids(spark, settings)) == 6, "a file that arrives later in a subfolder changes its hour"


def test_a_link_to_a_folder_fails_its_hour_and_is_reported(spark: SparkSession, settings: Settings) -> None:
    """A link can lead out of the landing zone or form a circle."""
    good = put(settings, f"{HOUR}/a.jsonl", 1)
    (good.parent / "again").symlink_to(good.parent, target_is_directory=True)
    error = run(spark, settings).errors["bronze_shares"]
    assert isinstance(error, GateFailed) and f"{HOUR}/again" in str(error)


def test_files_below_a_folder_are_sorted_by_path_and_hidden_when_their_folder_is(
    spark: SparkSession, settings: Settings
) -> None:
    for path in ("b.jsonl", "a/b.jsonl", "_a/b.jsonl", "a/.x/b.jsonl", "a/_b.jsonl"):
        put(settings, f"{HOUR}/{path}", 1)
    listed = files.list_below(spark, f"file://{settings.landing}/shares/{HOUR}")
    assert [(f.path, f.is_hidden) for f in listed] == [
        ("_a/b.jsonl", True), ("a/.x/b.jsonl", True), ("a/_b.jsonl", True), ("a/b.jsonl", False), ("b.jsonl", False),
    ]  # fmt: skip
    assert files.list_below(spark, f"file://{settings.landing}/nothing") == []


def test_a_run_warns_about_files_outside_the_hours(
    spark: SparkSession, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """An hour with a time zone, a day without an hour, a file without a folder: no run reads them."""
    put(settings, f"{HOUR}/a.jsonl", 1)
    for path in ("hour=2026-06-01T10Z/a.jsonl", "date=2026-06-01/a.jsonl", "a.jsonl", "_tmp/a.jsonl", ".hidden.jsonl"):
        put(settings, path, 99)
    assert not run(spark, settings).errors
    (warning,) = [text for text in caplog.messages if "no run reads" in text]
    assert "'a.jsonl', 'date=2026-06-01', 'hour=2026-06-01T10Z'" in warning and "_tmp" not in warning
    assert ids(spark, settings) == {1: 10}


@pytest.mark.parametrize(
    ("path", "hidden"),
    [("a.jsonl", False), ("_a.jsonl", True), (".a.jsonl", True), ("_temporary/0/a.jsonl", True),
     (".tmp/a.jsonl", True), ("partition=0/a.jsonl", False), ("_date=2026-06-01/a.jsonl", False),
     (".date=2026-06-01/a.jsonl", True), ("_date=2026-06-01/_SUCCESS", True), ("_id=1.jsonl", True)],
)  # fmt: skip
def test_a_folder_of_a_partition_is_not_hidden(path: str, hidden: bool) -> None:
    """A file that is being written has a name of any kind, so only its folder may begin with `_`."""
    assert files.is_hidden(path) == hidden
