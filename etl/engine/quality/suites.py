"""Suites: the rules of a table. Structural rules come from its contract.

The rest come from `expectations/<subject>/<table>.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from etl import conf
from etl.errors import ContractViolation
from etl.model.contract import Scd2, Table

KEY = "key"  # the label of the rule that no key is there twice
SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True)
class Rule:
    """One expectation, in Great Expectations' own terms, with how bad a failure is and why it is asked."""

    type: str
    kwargs: dict[str, Any]
    severity: str
    reason: str

    @property
    def query(self) -> str:
        """The SQL of a rule that lists unexpected rows; empty for other rules."""
        return str(self.kwargs.get("unexpected_rows_query", ""))

    @property
    def name(self) -> str:
        """A short name a person recognises: `expect_x(column)`."""
        subject = self.kwargs.get("column") or self.kwargs.get("label") or ""
        return f"{self.type}({subject})"


def path(table: str) -> Path:
    """Where the suite of a table is, or may be put when there is none yet."""
    folder = conf.home() / "expectations"
    return next(folder.glob(f"*/{table}.yaml"), folder / "SUBJECT" / f"{table}.yaml")


def suite(table: Table) -> list[Rule]:
    """All rules of a table. Raises ContractViolation when the suite is missing, empty or malformed."""
    return [*structural(table), *written(table.name)]


@cache
def written(table: str) -> tuple[Rule, ...]:
    """The rules people wrote for a table."""
    file = path(table)
    if not file.is_file():
        raise ContractViolation(f"{table} has no suite: {file} is missing. No gate, no publish.")
    try:
        loaded = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        rules = [_rule(table, item) for item in loaded["expectations"]]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ContractViolation(f"{file} is not a suite: it needs a list named expectations ({error}).") from error
    if loaded.get("table") != table or not rules:
        raise ContractViolation(f"{file}: a suite names its table ({table}) and has at least one expectation.")
    return tuple(rules)


def _rule(table: str, item: dict[str, Any]) -> Rule:
    rule = Rule(item["type"], item.get("kwargs") or {}, item["severity"], item["reason"])
    if rule.severity not in SEVERITIES or not rule.reason:
        raise ContractViolation(f"{path(table)}: {rule.type} needs a reason and a severity of {SEVERITIES}.")
    return rule


def structural(table: Table) -> list[Rule]:
    """What the contract alone implies: not null, sets, ranges, key, references, SCD2 invariants."""
    rules = [r for column in table.columns for r in _column_rules(column)]
    if table.key:
        rules.append(_no_rows(KEY, _repeated(table.key), f"{', '.join(table.key)} is the key of a row."))
    for ref in table.references:
        view, column = ref.to.name, ref.column
        never = f"SELECT {column} FROM {{batch}} WHERE {column} NOT IN (SELECT {ref.to_column} FROM {view})"
        dead = (
            f"SELECT b.{column}, b.{ref.at} FROM {{batch}} b JOIN {view} v ON b.{column} = v.{ref.to_column} "
            f"WHERE b.{ref.at} < v.valid_from OR b.{ref.at} >= v.valid_to"
        )
        rules.append(_no_rows(f"{column} known", never, f"A {column} without a row in {view} means nothing."))
        rules.append(_no_rows(f"{column} live", dead, "The stamp was not live at that time.", "warning"))
    return rules + (_scd2(table) if isinstance(table.write, Scd2) else [])


def _column_rules(column: Any) -> list[Rule]:
    rules = []
    if not column.nullable:
        rules.append(_on(column, "expect_column_values_to_not_be_null", "The contract says it is always there."))
    if column.values:
        allowed = {"value_set": list(column.values)}
        rules.append(_on(column, "expect_column_values_to_be_in_set", "The contract lists its values.", allowed))
    if column.low is not None or column.high is not None:
        bounds = {k: v for k, v in (("min_value", column.low), ("max_value", column.high)) if v is not None}
        rules.append(_on(column, "expect_column_values_to_be_between", "The contract bounds it.", bounds))
    return rules


def _on(column: Any, type_: str, reason: str, kwargs: dict[str, Any] | None = None) -> Rule:
    return Rule(type_, {"column": column.name, **(kwargs or {})}, "critical", reason)


def _no_rows(label: str, query: str, reason: str, severity: str = "critical") -> Rule:
    return Rule("unexpected_rows_expectation", {"unexpected_rows_query": query, "label": label}, severity, reason)


def _repeated(key: tuple[str, ...]) -> str:
    columns = ", ".join(key)
    return f"SELECT {columns}, count(*) AS n FROM {{batch}} GROUP BY {columns} HAVING count(*) > 1"


def _scd2(table: Table) -> list[Rule]:
    key = ", ".join(table.versions.natural_key)
    after = f"lead(valid_from) OVER (PARTITION BY {key} ORDER BY valid_from)"
    timeline = f"(SELECT *, {after} AS _next FROM {{batch}})"
    columns = f"{key}, valid_from, valid_to, _next"
    overlap = f"SELECT {columns} FROM {timeline} WHERE _next < coalesce(valid_to, timestamp'9999-12-31')"
    gap = f"SELECT {columns} FROM {timeline} WHERE _next > valid_to AND NOT is_deleted"
    current = f"SELECT {key}, count(*) AS n FROM {{batch}} WHERE is_current GROUP BY {key} HAVING count(*) > 1"
    return [
        _no_rows("no overlap", overlap, "At any instant at most one version holds."),
        _no_rows("no gap", gap, "Only a deletion leaves a gap between versions."),
        _no_rows("one current", current, "At most one row per key is current."),
    ]
