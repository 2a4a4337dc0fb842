"""The driver's JVM, for what has no Python interface: its classes, and what Scala's methods take and give."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

_CONVERTERS = "scala.jdk.javaapi.CollectionConverters"


def jvm(spark: SparkSession, name: str) -> Any:
    """A class of the driver's JVM by its whole name.

    One look-up; of a dotted path py4j looks for a class by each of its beginnings, in every JAR.
    """
    return getattr(spark._jvm, name)


def none(spark: SparkSession) -> Any:
    """Scala's None."""
    return jvm(spark, "scala.Option").empty()


def some(spark: SparkSession, value: Any) -> Any:
    """Scala's Some."""
    return jvm(spark, "scala.Option").apply(value)


def as_seq(spark: SparkSession, items: list[Any]) -> Any:
    """A list as Scala takes it."""
    return jvm(spark, _CONVERTERS).asScala(items).toSeq()


def as_list(spark: SparkSession, seq: Any) -> list[Any]:
    """Scala's Seq as a list."""
    return list(jvm(spark, _CONVERTERS).asJava(seq))


def as_dict(spark: SparkSession, mapping: Any) -> dict[Any, Any]:
    """Scala's Map as a dict."""
    return dict(jvm(spark, _CONVERTERS).asJava(mapping))
