"""Rules and batches of one column, for tests of the gate."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from etl.engine.quality import suites
from etl.engine.quality.rule import Rule, Severity

POSITIVE = {"column": "n", "min_value": 1}


def rule(type_: str, severity: Severity = "critical", **kwargs: Any) -> Rule:
    return Rule(type_, kwargs, severity, "For a test.")


def between(severity: Severity = "critical", column: str = "n") -> Rule:
    return rule("expect_column_values_to_be_between", severity, **POSITIVE | {"column": column})


def numbers(spark: SparkSession, *values: int) -> DataFrame:
    return spark.createDataFrame([(v,) for v in values], "n INT")


def no_duplicates(label: str) -> Rule:
    return suites._no_rows(label, suites._duplicate_keys(("n",)), "")
