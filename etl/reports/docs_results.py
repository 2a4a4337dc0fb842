"""The results of a run as Great Expectations shows them in Data Docs, from the ledger row of the run."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.exceptions.exceptions import ExpectationNotFoundError
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.registry import get_expectation_impl

from etl import catalog
from etl.engine.quality import suites
from etl.engine.quality.rule import Rule
from etl.engine.state.entry import Entry
from etl.errors import ERROR_CLASS, ContractViolation
from etl.reports.findings import plain

QUERY = "unexpected_rows_expectation"


def of_run(entry: Entry) -> list[ExpectationValidationResult]:
    """The failures of a run, and the rules that passed when the suite has as many rules as the run evaluated."""
    left = json.loads(entry.failures)
    rules = _rules(entry)
    results = []
    for rule in rules:
        found = next((f for f in left if (f["rule"], f["severity"]) == (rule.name, rule.severity)), None)
        if found:
            left.remove(found)
        results.append(_result(rule, found))
    if len(results) + len(left) != entry.rules:
        results = [r for r in results if not r.success]
    return results + [_result(Rule(f["rule"], {}, f["severity"], f["reason"]), f) for f in left]


def _rules(entry: Entry) -> list[Rule]:
    try:
        return suites.suite(catalog.entry(entry.table_name).table)
    except ContractViolation:
        return []


def _result(rule: Rule, found: dict[str, Any] | None) -> ExpectationValidationResult:
    return ExpectationValidationResult(
        success=found is None,
        expectation_config=_config(rule),
        result=_counts(found) if found else {},
        exception_info=_exception(found),
        meta={},
    )


def _config(rule: Rule) -> ExpectationConfiguration:
    """The rule for Great Expectations to render. A rule type that it does not know is shown by its name."""
    text = f"{plain(rule.name.removesuffix('()'))}: {plain(rule.reason)} ({rule.severity})"
    description = escape(text).replace("$", "&#36;")  # Great Expectations treats it as HTML and as a template
    kwargs = {k: v for k, v in rule.kwargs.items() if k != "label"}
    try:
        get_expectation_impl(rule.type)
    except ExpectationNotFoundError:
        rule, kwargs = Rule(QUERY, {}, rule.severity, rule.reason), {"unexpected_rows_query": "{batch}"}
    return ExpectationConfiguration(rule.type, kwargs, description=description, severity=FailureSeverity(rule.severity))


def _counts(found: dict[str, Any]) -> dict[str, Any]:
    count, of = found["count"], found["of"]
    if count is None or not of:
        return {} if count is None else {"observed_value": count}
    return {
        "observed_value": count,
        "unexpected_count": count,
        "element_count": of,
        "unexpected_percent": 100 * count / of,
    }


def _exception(found: dict[str, Any] | None) -> dict[str, Any]:
    """Whether the rule could not be evaluated, with the class of the error only: its text may hold a value of a row."""
    broken = bool(found and found["error"])
    named = ", ".join(ERROR_CLASS.findall(found["error"])) if found and broken else ""
    message = f"could not be evaluated {named}".strip() if broken else None
    return {"raised_exception": broken, "exception_message": message, "exception_traceback": message or None}
