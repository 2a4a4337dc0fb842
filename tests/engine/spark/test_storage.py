"""A lake on S3 is not written before somebody has said that it is safe."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl import conf
from etl.engine.jobs import runner
from etl.engine.spark import storage
from etl.errors import ConfigError

HERE, THERE = "file:/tmp/lake", "s3a://bucket/lake"
STORE = "spark.delta.logStore.s3a.impl"


def test_a_lake_on_s3_needs_a_word_that_one_process_writes(spark: SparkSession) -> None:
    with pytest.raises(ConfigError, match=r"s3a://bucket/lake.*single_writer: true.*docs/storage\.md"):
        runner.open_context(spark, conf.load(lake=THERE))
    storage.check(spark, conf.load(lake=HERE))
    storage.check(spark, conf.load(lake=THERE).model_copy(update={"single_writer": True}))


@pytest.mark.parametrize(
    ("store", "safe"),
    [("io.delta.storage.S3DynamoDBLogStore", True), ("io.delta.storage.S3SingleDriverLogStore", False)],
)
def test_or_a_log_store_that_locks(spark: SparkSession, tmp_path: Path, store: str, safe: bool) -> None:
    spark.conf.set(STORE, store)
    try:
        if safe:
            storage.check(spark, conf.load(lake=THERE))
        else:
            with pytest.raises(ConfigError):
                storage.check(spark, conf.load(lake=THERE))
    finally:
        spark.conf.unset(STORE)
