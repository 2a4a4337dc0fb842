"""The gate: the audit step of write-audit-publish. Great Expectations judges a staged batch before readers can see it.

The gate fails closed: a rule that cannot be evaluated, an exception inside Great Expectations, and an empty or missing
suite are all failures. One Spark job evaluates all rules, however many there are, and what the caller measures of the
batch. Only rules that fail are evaluated a second time, for samples.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import great_expectations as gx
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.registry import get_expectation_impl
from pyspark.sql import DataFrame

from etl import catalog
from etl.engine.quality import gx_context
from etl.engine.quality.gate_queries import ExpectQueryToReturnNoRows, MeasureBatch, measured, unexpected, view
from etl.engine.quality.rule import Rule
from etl.engine.quality.verdict import Failure, Verdict
from etl.errors import first_line

PERSONAL = frozenset(name for name, column in catalog.vocabulary().items() if column.privacy != "none")
"""Columns with personal data. No sample shows their values, because samples go to logs and erasure cannot edit logs."""

for _noisy in ("great_expectations", "py4j"):  # their warnings would clutter the output of a run
    logging.getLogger(_noisy).setLevel(logging.ERROR)


def judge(batch: DataFrame, rules: list[Rule], measure: str = "") -> Verdict:
    """Judge a batch by all rules. It never raises: an exception is a critical failure. See `Verdict.passed`.

    measure: an SQL expression, an array or a struct of aggregates over the batch, to compute in the same job.
    """
    if not rules:
        return Verdict(0, [_broken_suite("A batch without an audit is not published.", "it is empty")])
    started, value = time.monotonic(), None
    try:
        results, value = _validate(batch, rules, "BOOLEAN_ONLY", measure)
        failed = [(rule, result) for rule, result in zip(rules, results, strict=True) if not result.success]
        failures = _failures(batch, failed)
        if measure and value is None:
            failures.append(
                _broken_suite("A batch whose content is not known is not published.", "no sums of its rows")
            )
    except Exception as error:  # of any kind: a batch that was not judged must not pass
        failures = [_broken_suite("A gate that raises an exception does not pass.", first_line(error, 300))]
    return Verdict(len(rules), failures, time.monotonic() - started, value)


def _broken_suite(reason: str, error: str) -> Failure:
    """The failure of a whole suite that could not be evaluated."""
    return Failure("suite", "critical", reason, None, None, [], error)


def _failures(batch: DataFrame, failed: list[tuple[Rule, Any]]) -> list[Failure]:
    """The failures of (rule, result), with samples: column rules are evaluated again, queries return some rows."""
    column_rules = [rule for rule, _ in failed if not rule.query]
    sampled = iter(_validate(batch, column_rules, "SUMMARY")[0] if column_rules else [])
    return [
        _query_failure(batch, rule, result) if rule.query else _column_failure(rule, next(sampled))
        for rule, result in failed
    ]


def _query_failure(batch: DataFrame, rule: Rule, result: Any) -> Failure:
    error = _error(result.exception_info)
    if error:
        return Failure(rule.name, rule.severity, rule.reason, None, None, [], error)
    count, rows = unexpected(batch, rule.query)
    shown = [{name: value for name, value in row.items() if name not in PERSONAL} for row in rows]
    return Failure(rule.name, rule.severity, rule.reason, count, None, _samples(filter(None, shown)), "")


def _validate(batch: DataFrame, rules: list[Rule], result_format: str, measure: str = "") -> tuple[list[Any], Any]:
    """The results of Great Expectations, in the order of the rules, and the measured value (None without `measure`).

    A rule without a result raises KeyError.
    """
    source = gx_context.spark_source(rule.type for rule in rules)
    definition = source.add_dataframe_asset("batch").add_batch_definition_whole_dataframe("whole")
    with view(batch) as name:
        expectations = [_expectation(rule, i, name) for i, rule in enumerate(rules)]
        if measure:
            expectations.append(MeasureBatch(expression=measure, view=name, meta={"number": len(rules)}))
        suite = gx.ExpectationSuite("gate", expectations=expectations)
        outcome = definition.get_batch({"dataframe": batch}).validate(suite, result_format=result_format)
        value = measured(name)
    by_number = {r.expectation_config.meta["number"]: r for r in outcome.results if r.expectation_config}
    return [by_number[i] for i in range(len(rules))], value


def _expectation(rule: Rule, number: int, batch: str) -> Any:
    """A rule as an expectation. Its number tells equal rules apart, which Great Expectations would take for one."""
    common: dict[str, Any] = {"severity": FailureSeverity(rule.severity), "meta": {"number": number}}
    if rule.query:
        return ExpectQueryToReturnNoRows(query=rule.query.format(batch=batch), **common)
    return get_expectation_impl(rule.type)(**rule.kwargs, **common)


def _column_failure(rule: Rule, result: Any) -> Failure:
    """The failure of a column rule. `observed_value` is left out: it may be a value of a row, such as a maximum."""
    found = result.result or {}
    samples = found.get("partial_unexpected_list") or []
    if rule.kwargs.get("column") in PERSONAL:
        samples = []
    count, of = found.get("unexpected_count"), found.get("element_count")
    return Failure(rule.name, rule.severity, rule.reason, count, of, _samples(samples), _error(result.exception_info))


def _samples(values: Any) -> list[Any]:
    """At most five values, in types that JSON knows."""
    return [v if isinstance(v, dict | str | int | float | bool) or v is None else str(v) for v in list(values)[:5]]


def _error(info: Any) -> str:
    """The message of an exception that Great Expectations caught, in either of its two forms; empty without one."""
    found = [info] if info and "raised_exception" in info else list((info or {}).values())
    return "; ".join(first_line(i.get("exception_message"), 300) for i in found if i.get("raised_exception"))
