"""Counts the plans that a session has run: queries, writes and commands, also those of Delta and Great Expectations."""

from __future__ import annotations

from pyspark.sql import SparkSession


def executions(spark: SparkSession) -> int:
    """Number of plans that the session has run since it started."""
    jvm_context = spark.sparkContext._jsc
    assert jvm_context
    jvm_context.sc().listenerBus().waitUntilEmpty()
    return int(spark._jsparkSession.sharedState().statusStore().executionsCount())
