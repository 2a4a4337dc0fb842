"""Several runs that create, change and read the same Delta table."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from etl.engine.delta import tables as delta
from etl.engine.delta.listing import listing
from etl.engine.delta.transaction import Transaction
from etl.errors import ConflictError


def test_runs_can_create_a_table_at_the_same_time(spark: SparkSession, tmp_path: Path) -> None:
    """The first tasks of a new lake do this. Delta lets one run create the table and raises an error in the others."""
    uris = [(tmp_path / f"table{number}").as_uri() for number in range(3)]
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(delta.create, spark, uri, "(n BIGINT) USING DELTA") for uri in uris for _ in range(8)]
    assert [each.exception() for each in done] == [None] * len(done)
    assert all(delta.read(spark, uri).count() == 0 for uri in uris)


def rewriting(spark: SparkSession, uri: str) -> Transaction:
    """A transaction that has read hour 1 and staged other rows for it, before its commit."""
    txn = Transaction(spark, uri)
    txn.read("hour = 1")
    txn.remove("hour = 1")
    txn.stage(spark.range(2).selectExpr("id", "1 AS hour"))
    return txn


def assert_second_commit_conflicts(spark: SparkSession, uri: str) -> None:
    """Two transactions rewrite hour 1: the first one commits, the second one raises ConflictError."""
    first, second = rewriting(spark, uri), rewriting(spark, uri)
    first.commit("first")
    with pytest.raises(ConflictError, match=r"Another run changed .* at the same time\. Run again\."):
        second.commit("second")
    assert delta.read(spark, uri).count() == 2


def test_the_second_of_two_runs_that_rewrite_an_hour_raises_a_conflict(spark: SparkSession, tmp_path: Path) -> None:
    """It raises ConflictError also when the package `delta` was imported and raises exception classes of its own."""
    uri = (tmp_path / "table").as_uri()
    spark.range(5).selectExpr("id", "1 AS hour").write.format("delta").partitionBy("hour").save(uri)
    assert_second_commit_conflicts(spark, uri)


def test_the_second_of_two_runs_that_fill_an_empty_table_raises_a_conflict(spark: SparkSession, tmp_path: Path) -> None:
    """A transaction does not list the files of an empty table, but it records what it read."""
    uri = (tmp_path / "table").as_uri()
    delta.create(spark, uri, "(id BIGINT, hour INT) USING DELTA PARTITIONED BY (hour)")
    assert_second_commit_conflicts(spark, uri)


def test_a_listing_has_the_rows_of_its_version_and_partitions(spark: SparkSession, tmp_path: Path) -> None:
    """It leaves out rows that a deletion vector removes, and rows of later versions."""
    uri = (tmp_path / "table").as_uri()
    properties = "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
    delta.create(spark, uri, f"(id BIGINT, hour INT) USING DELTA PARTITIONED BY (hour) {properties}")
    spark.range(6).coalesce(1).selectExpr("id", "int(id % 2) AS hour").write.format("delta").mode("append").save(uri)
    spark.sql(f"DELETE FROM delta.`{uri}` WHERE id = 3")
    version = delta.current_version(spark, uri)
    spark.sql(f"INSERT INTO delta.`{uri}` VALUES (7, 1)")
    assert delta.live_files(spark, uri).where("deletionVector IS NOT NULL").count() == 1
    cases = [("true", version), ("hour = 1", version), ("hour = 1", version + 1), ("true", 0)]
    frames = [listing(spark, uri, at, predicate).frame(spark) for predicate, at in cases]
    ids = [sorted(row["id"] for row in frame.collect()) for frame in frames]
    assert ids == [[0, 1, 2, 4, 5], [1, 5], [1, 5, 7], []]


def test_a_listing_does_not_leave_out_a_lost_file_when_spark_keeps_no_file_status(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Without that cache Spark looks for each file itself, and takes one that is gone for an empty one."""
    uri = (tmp_path / "table").as_uri()
    spark.range(2).selectExpr("id", "int(id) AS hour").write.format("delta").partitionBy("hour").save(uri)
    next((tmp_path / "table" / "hour=1").glob("*.parquet")).unlink()
    session = spark.newSession()
    session.conf.set("spark.sql.hive.filesourcePartitionFileCacheSize", "0")
    for each in (spark, session):
        with pytest.raises((Py4JJavaError, PySparkException)):
            listing(each, uri, 0, "true").frame(each).collect()


def test_a_listing_reads_partition_values_from_the_log_and_not_from_the_folders(
    spark: SparkSession, tmp_path: Path
) -> None:
    """NULL, text with special characters, and times that another session wrote in its own time zone."""
    uri = (tmp_path / "a table, 50%").as_uri()
    writer = spark.newSession()
    writer.conf.set("spark.sql.session.timeZone", "Asia/Kolkata")
    rows = "VALUES (1, 'a/b=c%20 ä', TIMESTAMP'2026-06-01 10:00:00+00:00'), (2, NULL, NULL) AS t(id, name, hour)"
    writer.sql(f"SELECT * FROM {rows}").write.format("delta").partitionBy("name", "hour").save(uri)

    found = listing(spark, uri, 0, "name = 'a/b=c%20 ä' AND hour = TIMESTAMP'2026-06-01 10:00:00+00:00'")

    assert found.is_indexed
    assert [row["id"] for row in found.frame(spark).collect()] == [1]
    whole = listing(spark, uri, 0, "true").frame(spark)
    assert sorted(map(str, whole.collect())) == sorted(map(str, delta.read(spark, uri).collect()))
    assert [row["id"] for row in whole.where("name IS NULL AND hour IS NULL").collect()] == [2]


@pytest.mark.parametrize(("hours", "refused"), [(0, False), (30, True)])
def test_a_suspended_run_does_not_commit_files_that_maintenance_removed(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, refused: bool
) -> None:
    """The machine sleeps for a day between stage and commit. Staged files that still exist can always be committed."""
    uri = (tmp_path / "table").as_uri()
    spark.range(1).selectExpr("id", "1 AS hour").write.format("delta").partitionBy("hour").save(uri)
    unharmed, harmed = rewriting(spark, uri), Transaction(spark, uri)
    harmed.stage(spark.range(3).selectExpr("id", "2 AS hour").coalesce(1))
    if refused:
        for file in (tmp_path / "table" / "hour=2").glob("*.parquet"):
            file.unlink()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + hours * 3600)
    if refused:
        with pytest.raises(ConflictError, match="suspended for too long"):
            harmed.commit("files are gone")
    else:
        harmed.commit("in time")
    unharmed.commit("files exist")
    assert delta.read(spark, uri).where("hour = 1").count() == 2
