"""The context of Great Expectations for the gate and for Data Docs, and the engine of the gate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import great_expectations as gx
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.expectations.registry import get_metric_provider

ROW_COUNT = "table.row_count"


class OneJobEngine(SparkDFExecutionEngine):
    """Computes all aggregates of a batch in one Spark job.

    Great Expectations computes metrics in rounds: those that depend on no other metric, then those that depend on them,
    and so on. It bundles the aggregates of a round into one job. This engine leaves all aggregates for the last round.

    Every metric of a column depends on the number of rows, which only the result of a rule needs. So the number is
    None at first, and gets its value in the last round.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._row_counts: list[Any] = []

    def resolve_metrics(
        self, metrics_to_resolve: Iterable[Any], metrics: Any = None, runtime_configuration: Any = None
    ) -> Any:
        """The value of each metric by its id. Aggregates have none while other metrics can be computed."""
        wanted = list(metrics_to_resolve)
        if others := [m for m in wanted if get_metric_provider(m.metric_name, self)[1] is not None]:
            return super().resolve_metrics(others, metrics, runtime_configuration)
        row_counts = [m for m in wanted if m.metric_name == ROW_COUNT]
        if row_counts and len(wanted) > len(row_counts):
            self._row_counts += row_counts
            return {m.id: None for m in row_counts}
        return super().resolve_metrics(wanted + self._row_counts if wanted else [], metrics, runtime_configuration)


def in_memory() -> Any:
    """A Great Expectations context in memory, without usage statistics and progress bars."""
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def spark_source() -> Any:
    """A data source for DataFrames, in a context of its own. It computes with `OneJobEngine`."""
    source = in_memory().data_sources.add_spark("spark", persist=False)
    object.__setattr__(source, "execution_engine_override", OneJobEngine)  # a hook of Great Expectations' data sources
    return source
