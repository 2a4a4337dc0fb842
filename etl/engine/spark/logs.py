"""Spark's own log lines: their format, and the run, table and hour that they belong to."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession

from etl import conf
from etl.conf import Settings
from etl.engine.spark.jvm import jvm
from etl.telemetry import fields

FILES = {"text": "spark-log4j2.properties", "json": "spark-log4j2-json.properties"}


def configuration(log_format: str) -> Path:
    """The file that configures Spark's logs for a format, `text` or `json`."""
    return conf.home() / "conf" / FILES[log_format]


def tag(spark: SparkSession, settings: Settings) -> None:
    """Give the log lines of this thread in the JVM, and those of its tasks, the fields of this thread."""
    if settings.log_format != "json":
        return
    of_driver = jvm(spark, "org.apache.logging.log4j.ThreadContext")
    for name, value in fields.current().items():
        if value is not None:
            of_driver.put(name, value)
            spark.sparkContext.setLocalProperty(f"mdc.{name}", value)
