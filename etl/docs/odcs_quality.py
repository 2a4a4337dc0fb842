"""Rules of a suite as quality checks of the Open Data Contract Standard.

A rule that the standard has a metric for is written with it, so that every tool of the standard can run it: no NULL, no
other value than the allowed ones. A rule for unexpected rows is SQL. Every other rule names its expectation of Great
Expectations.
"""

from __future__ import annotations

from typing import Any

from etl.engine.quality.rule import Rule
from etl.engine.quality.suites import KEY
from etl.model.contract import Table

SEVERITIES = {"critical": "error", "warning": "warning", "info": "info"}
"""Severity of a rule -> severity in the standard. An `error` keeps the batch from being published."""
NOT_NULL = "expect_column_values_to_not_be_null"
IN_SET = "expect_column_values_to_be_in_set"


def quality_of_column(rule: Rule) -> dict[str, Any]:
    """The check of a column's rule."""
    if rule.type == NOT_NULL and rule.kwargs.keys() == {"column"}:
        return _check(rule, "completeness", type="library", metric="nullValues", mustBe=0)
    if rule.type == IN_SET and rule.kwargs.keys() == {"column", "value_set"}:
        valid = {"validValues": rule.kwargs["value_set"]}
        return _check(rule, "conformity", type="library", metric="invalidValues", arguments=valid, mustBe=0)
    return _expectation(rule, "conformity")


def quality_of_table(rule: Rule, table: Table) -> dict[str, Any]:
    """The check of a table's rule: unique keys, no unexpected rows, or an expectation over several columns."""
    if rule.kwargs.get("label") == KEY:
        key = {"properties": list(table.key)}
        return _check(rule, "uniqueness", type="library", metric="duplicateValues", arguments=key, mustBe=0)
    if rule.query:
        query = f"SELECT count(*) FROM ({rule.query.format(batch=table.name)}) AS unexpected"
        return _check(rule, "consistency", type="sql", query=query, mustBe=0)
    return _expectation(rule, "consistency")


def _expectation(rule: Rule, dimension: str) -> dict[str, Any]:
    implementation = {"type": rule.type, "kwargs": rule.kwargs}
    return _check(rule, dimension, type="custom", engine="great-expectations", implementation=implementation)


def _check(rule: Rule, dimension: str, **fields: Any) -> dict[str, Any]:
    severity = SEVERITIES[rule.severity]
    return {"name": rule.name, "description": rule.reason, "dimension": dimension, "severity": severity, **fields}
