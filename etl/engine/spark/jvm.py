"""Access to classes of the driver's JVM that have no Python API, and conversion between Python and Scala values."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

_CONVERTERS = "scala.jdk.javaapi.CollectionConverters"


def jvm(spark: SparkSession, name: str) -> Any:
    """A class of the driver's JVM by its fully qualified name.

    This is one look-up. With attribute access (`spark._jvm.org.apache...`) py4j looks for a class at every part of the
    name, in every JAR.
    """
    return getattr(spark._jvm, name)


def none(spark: SparkSession) -> Any:
    """Scala's `None`."""
    return jvm(spark, "scala.Option").empty()


def some(spark: SparkSession, value: Any) -> Any:
    """Scala's `Some(value)`."""
    return jvm(spark, "scala.Option").apply(value)


def as_seq(spark: SparkSession, items: list[Any]) -> Any:
    """A Python list as a Scala Seq."""
    return jvm(spark, _CONVERTERS).asScala(items).toSeq()


def as_list(spark: SparkSession, seq: Any) -> list[Any]:
    """A Scala Seq as a Python list."""
    return from_java(jvm(spark, _CONVERTERS).asJava(seq))


def as_dict(spark: SparkSession, mapping: Any) -> dict[Any, Any]:
    """A Scala Map as a Python dict."""
    return {entry._1(): entry._2() for entry in as_list(spark, mapping.toSeq())}


def from_java(items: Any) -> list[Any]:
    """A Java List as a Python list.

    A loop over it would ask its iterator until that fails, and PySpark makes 75 calls to find out what failed.
    """
    return [items.get(i) for i in range(items.size())]


def as_map(spark: SparkSession, items: dict[str, str]) -> Any:
    """A Python dict as an immutable Scala Map."""
    return jvm(spark, "org.apache.spark.api.python.PythonUtils").toScalaMap(items)
