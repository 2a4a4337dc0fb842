"""Counts the plans that a session has run: queries, writes and commands, also those of Delta and Great Expectations."""

from __future__ import annotations

from pyspark.sql import SparkSession


def executions(spark: SparkSession) -> int:
    """Number of plans that the session has run since it started: their ids count from 0, and the newest are kept."""
    jvm_context = spark.sparkContext._jsc
    assert jvm_context
    jvm_context.sc().listenerBus().waitUntilEmpty()
    kept = spark._jsparkSession.sharedState().statusStore().executionsList()
    return int(kept.last().executionId()) + 1 if kept.nonEmpty() else 0
