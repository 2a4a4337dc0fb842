"""Checks that a session runs a supported pair of Spark and Delta: `engine/delta` calls methods that are not public.

A method of another version may be missing or may mean something else. `tests/engine/delta/test_signatures.py` looks at
every method that is called; a pair is added here when that test and all others pass with it.
"""

from __future__ import annotations

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from etl.engine.spark.jvm import jvm
from etl.errors import ConfigError

SUPPORTED = {"4.2.0": "4.4.0", "4.1.3": "4.4.0"}
"""Version of Spark -> version of Delta. The first pair is the one that set-up installs."""


def check(spark: SparkSession) -> None:
    """Raises ConfigError when the session runs another pair, or no Delta. A cluster may have its own Spark."""
    found = spark.version, delta_version(spark)
    if SUPPORTED.get(found[0]) != found[1]:
        pairs = ", ".join(f"Spark {ours} with Delta {delta}" for ours, delta in SUPPORTED.items())
        raise ConfigError(
            f"This session runs Spark {found[0]} with Delta {found[1]}. feed-etl supports {pairs}. "
            "Install such a pair on the cluster, or use a local master."
        )


def delta_version(spark: SparkSession) -> str:
    """The version of Delta on the class path of the driver; `none` without Delta."""
    try:
        return str(jvm(spark, "io.delta.package").VERSION())
    except (Py4JError, TypeError):  # py4j takes the name of a class that it does not find for that of a package
        return "none"
