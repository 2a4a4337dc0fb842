"""Evaluates all rules of a suite that are SQL queries for unexpected rows in one Spark job.

Suites use Great Expectations' own `unexpected_rows_expectation`. That expectation runs each query twice, one query
after the other, and all through one temporary view with a fixed name. So the gate replaces it with
`ExpectQueryToReturnNoRows`: all its rules depend on one metric, which Great Expectations computes once.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import MetricProvider, metric_value
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.errors import first_line

SAMPLES = 20


class QueryCounts(MetricProvider):
    """The metric: query -> number of rows it returns, or the error (text) when Spark cannot run it."""

    metric_name = "query_bundle.counts"
    value_keys = ("queries",)

    @metric_value(engine=SparkDFExecutionEngine)
    def _spark(cls, execution_engine: Any, metric_domain_kwargs: Any, metric_value_kwargs: Any, **_: Any) -> Any:  # noqa: N805 (Great Expectations passes the class)
        batch, *_rest = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type="table")
        queries = list(dict.fromkeys(metric_value_kwargs["queries"]))
        try:
            return dict(zip(queries, _counts(batch, queries), strict=True))
        except PySparkException:  # at least one query fails: run each alone to find out which
            return {query: _count_alone(batch, query) for query in queries}


def unexpected(batch: DataFrame, query: str) -> tuple[int, list[dict[str, Any]]]:
    """The number of rows that a query returns, and up to 20 of them."""
    rows = _run(batch, "SELECT * FROM ({})", [query])
    return rows.count(), [row.asDict() for row in rows.limit(SAMPLES).select(_printable(rows)).collect()]


def _printable(rows: DataFrame) -> list[Column]:
    """The columns, with dates and timestamps as text: Python's datetime cannot hold every value of Spark."""
    return [
        F.col(f"`{name}`").cast("string").alias(name) if kind in ("date", "timestamp") else F.col(f"`{name}`")
        for name, kind in rows.dtypes
    ]


def _run(batch: DataFrame, template: str, queries: list[str]) -> DataFrame:
    """The union of queries over a batch, each inserted into the template.

    The name of the temporary view is unique, so that gates in the same session do not share it.
    """
    view = f"gate_{uuid.uuid4().hex}"
    batch.createOrReplaceTempView(view)
    try:
        parts = [template.format(query.format(batch=view), number=i) for i, query in enumerate(queries)]
        return batch.sparkSession.sql(" UNION ALL ".join(parts))
    finally:
        batch.sparkSession.catalog.dropTempView(view)


def _counts(batch: DataFrame, queries: list[str]) -> list[int]:
    """The number of rows of each query, in the order of the queries."""
    rows = _run(batch, "SELECT {number} AS number, count(*) AS n FROM ({})", queries).collect()
    by_number = {row["number"]: row["n"] for row in rows}
    return [by_number[i] for i in range(len(queries))]


def _count_alone(batch: DataFrame, query: str) -> int | str:
    try:
        return _counts(batch, [query])[0]
    except PySparkException as error:
        return first_line(error, 300)


class ExpectQueryToReturnNoRows(BatchExpectation):
    """The expectation that a query for unexpected rows returns no row. `queries` are all queries of the suite."""

    query: str
    queries: list[str]

    metric_dependencies: ClassVar[tuple[str, ...]] = ("query_bundle.counts",)
    success_keys: ClassVar[tuple[str, ...]] = ("query", "queries")

    def _validate(self, metrics: Any, runtime_configuration: Any = None, execution_engine: Any = None) -> Any:
        found = metrics["query_bundle.counts"][self.query]
        if isinstance(found, str):
            raise ValueError(found)
        return {"success": found == 0, "result": {"observed_value": found}}
