"""A lake on S3 is written only when the settings say that this is safe."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl import conf
from etl.engine.jobs import runner
from etl.engine.spark import storage
from etl.errors import ConfigError

LOCAL, ON_S3 = "file:/tmp/lake", "s3a://bucket/lake"
STORE = "spark.delta.logStore.s3a.impl"


def test_a_lake_on_s3_is_refused_unless_settings_say_single_writer(spark: SparkSession) -> None:
    with pytest.raises(ConfigError, match=r"s3a://bucket/lake.*single_writer: true.*docs/storage\.md"):
        runner.open_context(spark, conf.load(lake=ON_S3))
    storage.check(spark, conf.load(lake=LOCAL))
    storage.check(spark, conf.load(lake=ON_S3).model_copy(update={"single_writer": True}))


@pytest.mark.parametrize(
    ("store", "safe"),
    [("io.delta.storage.S3DynamoDBLogStore", True), ("io.delta.storage.S3SingleDriverLogStore", False)],
)
def test_a_lake_on_s3_is_accepted_with_a_log_store_that_locks(
    spark: SparkSession, tmp_path: Path, store: str, safe: bool
) -> None:
    spark.conf.set(STORE, store)
    try:
        if safe:
            storage.check(spark, conf.load(lake=ON_S3))
        else:
            with pytest.raises(ConfigError):
                storage.check(spark, conf.load(lake=ON_S3))
    finally:
        spark.conf.unset(STORE)
