"""Rules that are queries for unexpected rows, all of a suite asked in one Spark job.

Great Expectations' own `unexpected_rows_expectation` runs every query twice, one after the other, through one
temporary view of a fixed name. Suites are written in its terms; the gate asks them through this expectation: each rule
depends on the same metric, which Great Expectations computes once.
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
    """Rows each query returns, or why it could not be asked."""

    metric_name = "query_bundle.counts"
    value_keys = ("queries",)

    @metric_value(engine=SparkDFExecutionEngine)
    def _spark(cls, execution_engine: Any, metric_domain_kwargs: Any, metric_value_kwargs: Any, **_: Any) -> Any:
        batch, *_rest = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type="table")
        queries = list(dict.fromkeys(metric_value_kwargs["queries"]))
        try:
            return dict(zip(queries, _counts(batch, queries), strict=True))
        except PySparkException:  # one of them is at fault: ask each alone
            return {query: _alone(batch, query) for query in queries}


def unexpected(batch: DataFrame, query: str) -> tuple[int, list[dict[str, Any]]]:
    """How many rows a query returns, and a few of them."""
    rows = _ask(batch, "SELECT * FROM ({})", [query])
    return rows.count(), [row.asDict() for row in rows.limit(SAMPLES).select(_shown(rows)).collect()]


def _shown(rows: DataFrame) -> list[Column]:
    """Columns with days and instants as text: one that no Python datetime can be is shown, too."""
    return [
        F.col(f"`{name}`").cast("string").alias(name) if kind in ("date", "timestamp") else F.col(f"`{name}`")
        for name, kind in rows.dtypes
    ]


def _ask(batch: DataFrame, form: str, queries: list[str]) -> DataFrame:
    """The union of queries over a batch, each put into `form`; its view is the session's and of no other gate."""
    view = f"gate_{uuid.uuid4().hex}"
    batch.createOrReplaceTempView(view)
    try:
        text = " UNION ALL ".join(form.format(query.format(batch=view), number=i) for i, query in enumerate(queries))
        return batch.sparkSession.sql(text)
    finally:
        batch.sparkSession.catalog.dropTempView(view)


def _counts(batch: DataFrame, queries: list[str]) -> list[int]:
    counted = _ask(batch, "SELECT {number} AS number, count(*) AS n FROM ({})", queries).collect()
    found = {row["number"]: row["n"] for row in counted}
    return [found[i] for i in range(len(queries))]


def _alone(batch: DataFrame, query: str) -> int | str:
    try:
        return _counts(batch, [query])[0]
    except PySparkException as error:
        return first_line(error, 300)


class ExpectQueryToReturnNoRows(BatchExpectation):
    """Expect that a query for unexpected rows returns none. `queries` are those of the whole suite."""

    query: str
    queries: list[str]

    metric_dependencies: ClassVar[tuple[str, ...]] = ("query_bundle.counts",)
    success_keys: ClassVar[tuple[str, ...]] = ("query", "queries")

    def _validate(self, metrics: Any, runtime_configuration: Any = None, execution_engine: Any = None) -> Any:
        found = metrics["query_bundle.counts"][self.query]
        if isinstance(found, str):
            raise ValueError(found)
        return {"success": found == 0, "result": {"observed_value": found}}
