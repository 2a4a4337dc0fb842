"""Lets Great Expectations judge table-hours by their history. The batch is the ledger's history as a pandas frame.

The frame has a row per hour: `number` (of the calendar, see history.py), `judged` (whether the hour is to be judged;
the others are its history), `rows`, and a column per rule with the values of its metric. No table is scanned.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import great_expectations as gx
import numpy as np
import pandas as pd
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

from etl.engine.quality import gx_context
from etl.engine.quality.history import Judgment, Past, expected_rows, judge
from etl.engine.quality.history_categories import judge_categories
from etl.engine.quality.history_rules import HistoryRule
from etl.engine.quality.rule import Rule

JUDGMENTS = "history.judgments"
ARGUMENTS = tuple(HistoryRule.model_fields)


class HistoryJudgments(TableMetricProvider):
    """The metric: the judgment of a rule on each judged hour of the frame, as dicts."""

    metric_name = JUDGMENTS
    value_keys = ARGUMENTS

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(cls, execution_engine: Any, metric_domain_kwargs: Any, metric_value_kwargs: Any, **_: Any) -> Any:  # noqa: N805 (Great Expectations passes the class)
        frame, _domain, _accessor = execution_engine.get_compute_domain(metric_domain_kwargs, MetricDomainTypes.TABLE)
        return [asdict(each) for each in judgments(frame, HistoryRule(**metric_value_kwargs))]


class ExpectWithinHistory(BatchExpectation):
    """The expectation that a metric of every judged hour is within the band of its history."""

    metric: str
    column: str = ""
    quantile: float | None = None
    where: str = ""
    label: str = ""
    seasonality: str = "hour_of_week"
    tolerance: float = 4

    metric_dependencies: ClassVar[tuple[str, ...]] = (JUDGMENTS,)
    success_keys: ClassVar[tuple[str, ...]] = ARGUMENTS

    def _validate(self, metrics: Any, runtime_configuration: Any = None, execution_engine: Any = None) -> Any:
        found = metrics[JUDGMENTS]
        return {"success": all(each["verdict"] != "failed" for each in found), "result": {"observed_value": found}}


def judgments(frame: pd.DataFrame, rule: HistoryRule) -> list[Judgment]:
    """The judgment of a rule on each judged hour of a frame, in its order."""
    known, judged = frame[~frame["judged"]], frame[frame["judged"]]
    hours, rows, values = known["number"].to_numpy(), known["rows"].to_numpy(float), known[rule.name]
    return [
        _judgment(Past(hours, int(number)), rows, values, observed, rule)
        for number, observed in zip(judged["number"], judged[rule.name], strict=True)
    ]


def _judgment(past: Past, rows: Any, values: pd.Series[Any], observed: Any, rule: HistoryRule) -> Judgment:
    if not isinstance(observed, dict) and pd.isna(observed):
        return Judgment("none", np.nan, why="the hour has no value")
    if rule.kind is None:
        return judge_categories(past, [each if isinstance(each, dict) else {} for each in values], observed)
    numbers = values.to_numpy(float)
    return judge(past, numbers, float(observed), rule.kind, expected_rows(past, rows), rule.tolerance)


def judge_frame(frame: pd.DataFrame, rules: list[Rule]) -> list[list[Judgment]]:
    """The judgments of each rule on the judged hours. Raises ValueError when a rule cannot be evaluated."""
    source = gx_context.in_memory().data_sources.add_pandas("ledger")
    definition = source.add_dataframe_asset("history").add_batch_definition_whole_dataframe("whole")
    expectations = [ExpectWithinHistory(**rule.kwargs, meta={"number": n}) for n, rule in enumerate(rules)]
    suite = gx.ExpectationSuite("history", expectations=expectations)
    outcome = definition.get_batch({"dataframe": frame}).validate(suite, result_format="SUMMARY")
    by_number = {r.expectation_config.meta["number"]: r for r in outcome.results if r.expectation_config}
    return [_found(rule, by_number[n]) for n, rule in enumerate(rules)]


def _found(rule: Rule, result: Any) -> list[Judgment]:
    if "observed_value" not in (result.result or {}):
        raise ValueError(f"{rule.name} could not be evaluated")
    return [Judgment(**each) for each in result.result["observed_value"]]
