"""Delta tables as several runs meet them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.errors import ConflictError


def test_runs_that_make_a_table_at_once_all_find_it(spark: SparkSession, tmp_path: Path) -> None:
    """As the first tasks of a new lake do; Delta lets one of them create it and refuses the others."""
    uris = [(tmp_path / f"table{number}").as_uri() for number in range(3)]
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(delta.create, spark, uri, "(n BIGINT) USING DELTA") for uri in uris for _ in range(8)]
    assert [each.exception() for each in done] == [None] * len(done)
    assert all(delta.read(spark, uri).count() == 0 for uri in uris)


def rewriting(spark: SparkSession, uri: str) -> Transaction:
    """A transaction that is about to take what it read out of a table."""
    txn = Transaction(spark, uri)
    txn.read("hour = 1")
    txn.remove("hour = 1")
    txn.stage(spark.range(2).selectExpr("id", "1 AS hour"))
    return txn


def second_meets_a_conflict(spark: SparkSession, uri: str) -> None:
    """Two runs make hour 1 anew; what the first one made of it stays."""
    first, second = rewriting(spark, uri), rewriting(spark, uri)
    first.commit("first")
    with pytest.raises(ConflictError, match="meanwhile"):
        second.commit("second")
    assert delta.read(spark, uri).count() == 2


def test_of_two_runs_that_rewrite_an_hour_the_second_meets_a_conflict(spark: SparkSession, tmp_path: Path) -> None:
    """So it is read and made again. The package `delta`, once imported, raises classes of its own for it."""
    uri = (tmp_path / "table").as_uri()
    spark.range(5).selectExpr("id", "1 AS hour").write.format("delta").partitionBy("hour").save(uri)
    second_meets_a_conflict(spark, uri)


def test_of_two_runs_that_fill_an_empty_table_the_second_meets_a_conflict(spark: SparkSession, tmp_path: Path) -> None:
    """An empty table is not searched for files, but what was not there was read all the same."""
    uri = (tmp_path / "table").as_uri()
    delta.create(spark, uri, "(id BIGINT, hour INT) USING DELTA PARTITIONED BY (hour)")
    second_meets_a_conflict(spark, uri)


def test_a_listing_has_the_rows_of_its_version_and_partitions(spark: SparkSession, tmp_path: Path) -> None:
    """Rows that a deletion vector takes out are not in it, nor what came later."""
    uri = (tmp_path / "table").as_uri()
    properties = "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
    delta.create(spark, uri, f"(id BIGINT, hour INT) USING DELTA PARTITIONED BY (hour) {properties}")
    spark.range(6).coalesce(1).selectExpr("id", "int(id % 2) AS hour").write.format("delta").mode("append").save(uri)
    spark.sql(f"DELETE FROM delta.`{uri}` WHERE id = 3")
    version = delta.current_version(spark, uri)
    spark.sql(f"INSERT INTO delta.`{uri}` VALUES (7, 1)")
    assert delta.live_files(spark, uri).where("deletionVector IS NOT NULL").count() == 1
    asked = [("true", version), ("hour = 1", version), ("hour = 1", version + 1), ("true", 0)]
    frames = [delta.listing(spark, uri, at, predicate).frame(spark) for predicate, at in asked]
    found = [sorted(row["id"] for row in frame.collect()) for frame in frames]
    assert found == [[0, 1, 2, 4, 5], [1, 5], [1, 5, 7], []]


@pytest.mark.parametrize(("hours", "refused"), [(0, False), (30, True)])
def test_a_run_that_stood_still_commits_no_file_that_maintenance_removed(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, refused: bool
) -> None:
    """Staged, then a machine asleep for a day; files that are still there are committed at any time."""
    uri = (tmp_path / "table").as_uri()
    spark.range(1).selectExpr("id", "1 AS hour").write.format("delta").partitionBy("hour").save(uri)
    asleep, lost = rewriting(spark, uri), Transaction(spark, uri)
    lost.stage(spark.range(3).selectExpr("id", "2 AS hour").coalesce(1))
    if refused:
        for file in (tmp_path / "table" / "hour=2").glob("*.parquet"):
            file.unlink()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + hours * 3600)
    if refused:
        with pytest.raises(ConflictError, match="stood still"):
            lost.commit("lost")
    else:
        lost.commit("in time")
    asleep.commit("asleep")
    assert delta.read(spark, uri).where("hour = 1").count() == 2
