"""Lets Great Expectations count unexpected rows of queries, and measure a batch, in the same job as its column rules.

Suites use Great Expectations' own `unexpected_rows_expectation`. That expectation runs each query twice, one query
after the other, and all through one temporary view with a fixed name. So the gate replaces it with
`ExpectQueryToReturnNoRows`. Its metric is an aggregate, the number of rows as a scalar subquery. Great Expectations
bundles all aggregates of a batch into one job. When a bundle fails, it computes each aggregate alone, so only the
broken rule has no result.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.core.metric_function_types import MetricPartialFunctionTypes
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_partial
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

SAMPLES = 20
COUNT, MEASURE = "query.count", "batch.measure"


def _aggregate(provider: Any) -> Any:
    """Register a method as an aggregate over the whole batch."""
    aggregate = MetricPartialFunctionTypes.AGGREGATE_FN
    return metric_partial(
        engine=SparkDFExecutionEngine, partial_fn_type=aggregate, domain_type=MetricDomainTypes.TABLE
    )(provider)


class QueryCount(TableMetricProvider):
    """The metric: the number of rows that a query returns."""

    metric_name = COUNT
    value_keys = ("query",)

    @_aggregate
    def _spark(cls, metric_domain_kwargs: Any, metric_value_kwargs: Any, **_: Any) -> Any:  # noqa: N805 (Great Expectations passes the class)
        return F.expr(f"(SELECT count(*) FROM ({metric_value_kwargs['query']}))"), metric_domain_kwargs, {}


class BatchMeasure(TableMetricProvider):
    """The metric: the value of an aggregate expression (SQL) over the batch."""

    metric_name = MEASURE
    value_keys = ("expression",)

    @_aggregate
    def _spark(cls, metric_domain_kwargs: Any, metric_value_kwargs: Any, **_: Any) -> Any:  # noqa: N805 (as above)
        return F.expr(metric_value_kwargs["expression"]), metric_domain_kwargs, {}


class ExpectQueryToReturnNoRows(BatchExpectation):
    """The expectation that a query for unexpected rows returns no row."""

    query: str

    metric_dependencies: ClassVar[tuple[str, ...]] = (COUNT,)
    success_keys: ClassVar[tuple[str, ...]] = ("query",)

    def _validate(self, metrics: Any, runtime_configuration: Any = None, execution_engine: Any = None) -> Any:
        return {"success": metrics[COUNT] == 0, "result": {"observed_value": metrics[COUNT]}}


_measured: dict[str, Any] = {}
"""View of a batch -> measured value, while the view exists: results in the short format have no values."""


class MeasureBatch(BatchExpectation):
    """No rule: it always succeeds. It keeps the value of an aggregate expression over the batch for `measured`."""

    expression: str
    view: str

    metric_dependencies: ClassVar[tuple[str, ...]] = (MEASURE,)
    success_keys: ClassVar[tuple[str, ...]] = ("expression",)

    def _validate(self, metrics: Any, runtime_configuration: Any = None, execution_engine: Any = None) -> Any:
        _measured[self.view] = metrics[MEASURE]
        return {"success": True}


def measured(view: str) -> Any:
    """The value that was measured of the batch with this view; None when there is none."""
    return _measured.get(view)


@contextmanager
def view(batch: DataFrame) -> Iterator[str]:
    """A temporary view of a batch. Its name is unique: gates in the same session do not share it."""
    name = f"gate_{uuid.uuid4().hex}"
    batch.createOrReplaceTempView(name)
    try:
        yield name
    finally:
        _measured.pop(name, None)
        batch.sparkSession.catalog.dropTempView(name)


def unexpected(batch: DataFrame, query: str) -> tuple[int, list[dict[str, Any]]]:
    """The number of rows that a query returns, and up to 20 of them."""
    with view(batch) as name:
        rows = batch.sparkSession.sql(query.format(batch=name))
    return rows.count(), [row.asDict() for row in rows.limit(SAMPLES).select(_printable(rows)).collect()]


def _printable(rows: DataFrame) -> list[Column]:
    """The columns, with dates and timestamps as text: Python's datetime cannot hold every value of Spark."""
    return [
        F.col(f"`{name}`").cast("string").alias(name) if kind in ("date", "timestamp") else F.col(f"`{name}`")
        for name, kind in rows.dtypes
    ]
