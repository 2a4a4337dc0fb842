"""The gate: a batch is judged by Great Expectations before anyone can read it. It fails closed.

Cheap first: all column rules are one pass and all queries are one Spark job, however many rules there are. Only
rules that fail are asked again for samples. A rule that cannot be evaluated, an exception inside Great Expectations,
an empty or missing suite: all are failures.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from typing import Any

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.registry import get_expectation_impl
from pyspark.sql import DataFrame

from etl import catalog
from etl.engine.quality.gate_queries import ExpectQueryToReturnNoRows, unexpected
from etl.engine.quality.suites import Rule
from etl.errors import first_line

PERSONAL = frozenset(name for name, column in catalog.vocabulary().items() if column.privacy != "none")
"""Columns whose values are in no sample: samples go to logs, which nobody can take a person out of."""

COMPLETE = "hour_is_complete"
"""The rule of an hour that is late: see etl/engine/quality/completeness.py."""

for _noisy in ("great_expectations", "py4j"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)


@dataclass(frozen=True)
class Failure:
    """A rule that did not hold: how many rows of how many, a few of them, or why it could not be evaluated.

    A rule about the batch as a whole (its number of rows, a mean) has no count.
    """

    rule: str
    severity: str
    reason: str
    count: int | None
    of: int | None
    samples: list[Any]
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"{self.rule} could not be evaluated: {self.error}"
        samples = f", e.g. {json.dumps(self.samples[:3], default=str)}" if self.samples else ""
        return f"{self.counted}{samples}"

    @property
    def counted(self) -> str:
        """Without anything of a row: an error's text and samples may hold personal data."""
        if self.error:
            return f"{self.rule} could not be evaluated"
        if self.rule == COMPLETE:
            return f"{self.rule}: {self.reason}"
        if self.count is None:
            return f"{self.rule}: the batch as a whole does not hold it"
        return f"{self.rule}: {self.count} {f'of {self.of} ' if self.of else ''}rows"


@dataclass(frozen=True)
class Verdict:
    """What a gate said of one batch."""

    rules: int
    failures: list[Failure]
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """No critical rule failed, and every rule, whatever its severity, could be evaluated."""
        return not any(f.severity == "critical" or f.error for f in self.failures)

    def broke(self, label: str) -> bool:
        """Whether the rule of this label was asked and did not hold."""
        return any(f.rule.endswith(f"({label})") and not f.error for f in self.failures)

    def as_json(self) -> str:
        """The failures as the ledger keeps them: without samples, which may hold personal data."""
        return json.dumps([{k: v for k, v in asdict(f).items() if k != "samples"} for f in self.failures])


def judge(batch: DataFrame, rules: list[Rule]) -> Verdict:
    """Judge a batch by all rules. Never raises for what a rule or the data does; see Verdict.passed."""
    if not rules:
        return Verdict(0, [Failure("suite", "critical", "No gate, no publish.", None, None, [], "it is empty")])
    started = time.monotonic()
    try:
        results = _validate(batch, rules, "BOOLEAN_ONLY")
        failed = [(rule, result) for rule, result in zip(rules, results, strict=True) if not result.success]
        failures = _failures(batch, failed)
    except Exception as error:  # whatever happens inside a gate, it did not pass
        failures = [
            Failure("suite", "critical", "A gate that breaks is closed.", None, None, [], first_line(error, 300))
        ]
    return Verdict(len(rules), failures, time.monotonic() - started)


def _failures(batch: DataFrame, failed: list[tuple[Rule, Any]]) -> list[Failure]:
    """What failed, with samples: column rules are asked again for them, queries for a few of their rows."""
    again = [rule for rule, _ in failed if not rule.query]
    sampled = iter(_validate(batch, again, "SUMMARY") if again else [])
    return [_query_failure(batch, rule, r) if rule.query else _failure(rule, next(sampled)) for rule, r in failed]


def _query_failure(batch: DataFrame, rule: Rule, result: Any) -> Failure:
    raised = _raised(result.exception_info)
    if raised:
        return Failure(rule.name, rule.severity, rule.reason, None, None, [], raised)
    count, rows = unexpected(batch, rule.query)
    shown = [{name: value for name, value in row.items() if name not in PERSONAL} for row in rows]
    return Failure(rule.name, rule.severity, rule.reason, count, None, _few(filter(None, shown)), "")


def _validate(batch: DataFrame, rules: list[Rule], result_format: Any) -> list[Any]:
    queries = [rule.query for rule in rules if rule.query]
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_spark("spark", persist=False)
    definition = source.add_dataframe_asset("batch").add_batch_definition_whole_dataframe("whole")
    suite = gx.ExpectationSuite("gate", expectations=[_expectation(r, i, queries) for i, r in enumerate(rules)])
    outcome = definition.get_batch({"dataframe": batch}).validate(suite, result_format=result_format)
    by_number = {r.expectation_config.meta["number"]: r for r in outcome.results if r.expectation_config}
    return [by_number[i] for i in range(len(rules))]


def _expectation(rule: Rule, number: int, queries: list[str]) -> Any:
    said: dict[str, Any] = {"severity": FailureSeverity(rule.severity), "meta": {"number": number}}
    if rule.query:
        return ExpectQueryToReturnNoRows(query=rule.query, queries=queries, **said)
    return get_expectation_impl(rule.type)(**rule.kwargs, **said)


def _failure(rule: Rule, result: Any) -> Failure:
    """Counts only: what Great Expectations calls `observed_value` may be a value of a row (a maximum, say)."""
    raised = _raised(result.exception_info)
    found = result.result or {}
    count, shown = found.get("unexpected_count"), found.get("partial_unexpected_list")
    if rule.kwargs.get("column") in PERSONAL:
        shown = None
    return Failure(rule.name, rule.severity, rule.reason, count, found.get("element_count"), _few(shown or []), raised)


def _few(samples: Any) -> list[Any]:
    return [s if isinstance(s, dict | str | int | float | bool) or s is None else str(s) for s in list(samples)[:5]]


def _raised(info: Any) -> str:
    """The message of an exception Great Expectations caught, in either of the two shapes it uses."""
    found = [info] if info and "raised_exception" in info else list((info or {}).values())
    return "; ".join(first_line(i.get("exception_message"), 300) for i in found if i.get("raised_exception"))
