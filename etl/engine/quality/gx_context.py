"""The context of Great Expectations for the gate and for Data Docs, and the engine of the gate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import great_expectations as gx
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.exceptions.exceptions import MetricResolutionError
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.expectations.registry import get_metric_provider

ROW_COUNT = "table.row_count"
NEEDS_ROW_COUNT = ("expect_column_median_to_be_between",)
"""Expectations whose metrics, not only their results, need the number of rows: `OneJobEngine` cannot compute them."""


class OneJobEngine(SparkDFExecutionEngine):
    """Computes all aggregates of a batch in one Spark job.

    Great Expectations computes metrics in rounds: those that depend on no other metric, then those that depend on them,
    and so on. It bundles the aggregates of a round into one job. This engine leaves all aggregates for the last round.

    Every metric of a column depends on the number of rows, which only the result of a rule needs. So the number is
    None at first, and gets its value in the last round.

    When a round fails, Great Expectations computes each aggregate alone and drops what it found. The next round leaves
    out the failed aggregates; they are tried again alone, until Great Expectations gives up.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._row_counts: list[Any] = []
        self._failed: set[Any] = set()

    def resolve_metrics(
        self, metrics_to_resolve: Iterable[Any], metrics: Any = None, runtime_configuration: Any = None
    ) -> Any:
        """The value of each metric by its id. Aggregates have none while other metrics can be computed."""
        wanted = list(metrics_to_resolve)
        if others := [m for m in wanted if get_metric_provider(m.metric_name, self)[1] is not None]:
            return super().resolve_metrics(others, metrics, runtime_configuration)
        row_counts = [m for m in wanted if _counts_all_rows(m)]
        if row_counts and len(wanted) > len(row_counts):
            self._row_counts += row_counts
            return {m.id: None for m in row_counts}
        return self._aggregates(wanted, metrics, runtime_configuration)

    def _aggregates(self, wanted: list[Any], metrics: Any, runtime_configuration: Any) -> Any:
        together = [m for m in wanted + self._row_counts if m.id not in self._failed] if wanted else []
        try:
            found = super().resolve_metrics(together or wanted, metrics, runtime_configuration)
        except MetricResolutionError as error:
            self._failed |= {m.id for m in error.failed_metrics}
            raise
        self._row_counts = []
        return found


def _counts_all_rows(metric: Any) -> bool:
    return metric.metric_name == ROW_COUNT and not metric.metric_domain_kwargs.get("row_condition")


def in_memory() -> Any:
    """A Great Expectations context in memory, without usage statistics and progress bars."""
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def spark_source(expectations: Iterable[str]) -> Any:
    """A data source for DataFrames, in a context of its own, to evaluate expectations of these types."""
    source = in_memory().data_sources.add_spark("spark", persist=False)
    if not set(expectations) & set(NEEDS_ROW_COUNT):
        object.__setattr__(source, "execution_engine_override", OneJobEngine)  # a hook of its data sources
    return source
