"""Suites: all rules that a batch of a table must pass.

Structural rules follow from the table's contract. Written rules come from `expectations/<subject>/<table>.yaml`. Rules
about the history of the table are written there, too, and are evaluated apart: they need the ledger.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from etl import conf
from etl.engine.quality import history_rules
from etl.engine.quality.history_rules import SHOWS_VALUES, HistoryRule
from etl.engine.quality.rule import Rule, Severity
from etl.engine.quality.verdict import WITHIN_HISTORY
from etl.errors import ContractViolation, faults, first_line
from etl.model.contract import Column, Reference, Scd2, Table

KEY = "key"
"""Label of the rule that every key is unique."""


def _with_kwargs(rule: Any) -> Any:
    """A rule as read from a file. Its kwargs may be left out."""
    return {**rule, "kwargs": rule.get("kwargs") or {}} if isinstance(rule, dict) else rule


def _complete(rule: Rule) -> Rule:
    if not rule.reason.strip():
        raise ValueError("A rule needs a reason")
    if rule.is_about_history:
        history_rules.parse(rule.kwargs)
    return rule


def _not_empty(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    if not rules:
        raise ValueError("A suite needs at least one expectation")
    return rules


class Suite(BaseModel):
    """A suite file: the name of its table, and at least one expectation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str
    expectations: Annotated[
        tuple[Annotated[Rule, BeforeValidator(_with_kwargs), AfterValidator(_complete)], ...],
        AfterValidator(_not_empty),
    ]


def path(table: str) -> Path:
    """The suite file of a table; when there is none, the path where to create it, with SUBJECT as a placeholder."""
    folder = conf.home() / "expectations"
    return next(folder.glob(f"*/{table}.yaml"), folder / "SUBJECT" / f"{table}.yaml")


def suite(table: Table) -> list[Rule]:
    """The rules that the batch alone breaks, structural and written. Raises ContractViolation as `history` does."""
    return [*structural(table), *(rule for rule in _checked(table) if not rule.is_about_history)]


def history(table: Table) -> list[Rule]:
    """The rules that compare an hour with earlier ones.

    Raises ContractViolation as `written` does, and for a rule that the table cannot have.
    """
    return [rule for rule in _checked(table) if rule.is_about_history]


def all_rules(table: Table) -> list[Rule]:
    """All rules of a table. Raises ContractViolation as `history` does."""
    return [*suite(table), *history(table)]


def _checked(table: Table) -> tuple[Rule, ...]:
    """The rules in the suite file of a table, which the table can have."""
    rules = written(table.name)
    for rule in rules:
        if rule.is_about_history:
            _check_history(table, rule.history)
    return rules


def _check_history(table: Table, rule: HistoryRule) -> None:
    """Raises ContractViolation when the table has no hours or no such column, or the column may not be shown."""
    at = f"{path(table.name)}: {WITHIN_HISTORY}({rule.name})"
    column = next((c for c in table.columns if c.name == rule.column), None)
    if not table.hour or table.daily:
        raise ContractViolation(f"{at}: hours of the week need a table with an hour per partition. Remove the rule.")
    if rule.column and column is None:
        raise ContractViolation(f"{at}: {table.name} has no column {rule.column!r}. Name one of its columns.")
    if column and column.privacy != "none" and rule.metric in SHOWS_VALUES:
        raise ContractViolation(f"{at}: {rule.column} is personal; the ledger keeps no value of it. Choose another.")


@cache
def written(table: str) -> tuple[Rule, ...]:
    """The rules in the suite file of a table. Raises ContractViolation when it is missing, empty or malformed."""
    file = path(table)
    if not file.is_file():
        raise ContractViolation(f"{table} has no suite: {file} is missing. Add it with at least one expectation.")
    try:
        loaded = Suite.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ContractViolation(faults(f"{file} is not a suite", error)) from error
    except yaml.YAMLError as error:
        raise ContractViolation(f"{file} is not a suite: {first_line(error)}.") from error
    if loaded.table != table:
        raise ContractViolation(f"{file}: a suite names its table. Write `table: {table}`, not {loaded.table!r}.")
    return loaded.expectations


def structural(table: Table) -> list[Rule]:
    """The rules that follow from the contract: not null, value sets, ranges, key, references, SCD2 invariants."""
    rules = [r for column in table.columns for r in _column_rules(column)]
    if table.key:
        rules.append(_no_rows(KEY, _duplicate_keys(table.key), f"{', '.join(table.key)} is the key of a row."))
    for reference in table.references:
        rules += _reference_rules(reference)
    return rules + (_scd2_rules(table) if isinstance(table.write, Scd2) else [])


def _reference_rules(reference: Reference) -> list[Rule]:
    """A reference must exist in its dimension (critical) and be live at the time of the row (warning)."""
    view, column, at = reference.to.name, reference.column, reference.at
    unknown = f"SELECT {column} FROM {{batch}} WHERE {column} NOT IN (SELECT {reference.to_column} FROM {view})"
    not_live = (
        f"SELECT b.{column}, b.{at} FROM {{batch}} b JOIN {view} v ON b.{column} = v.{reference.to_column} "
        f"WHERE b.{at} < v.valid_from OR b.{at} >= v.valid_to"
    )
    return [
        _no_rows(f"{column} known", unknown, f"Every {column} needs a row in {view}."),
        _no_rows(f"{column} live", not_live, f"The {column} was not live at {at}.", "warning"),
    ]


def _column_rules(column: Column) -> list[Rule]:
    """The rules for one column: not null, allowed values, range."""
    rules = []
    if not column.nullable:
        rules.append(_on(column, "expect_column_values_to_not_be_null", "The contract does not allow NULL."))
    if column.values:
        allowed = {"value_set": list(column.values)}
        rules.append(_on(column, "expect_column_values_to_be_in_set", "The contract lists the values.", allowed))
    if column.low is not None or column.high is not None:
        bounds = {k: v for k, v in (("min_value", column.low), ("max_value", column.high)) if v is not None}
        rules.append(_on(column, "expect_column_values_to_be_between", "The contract sets the range.", bounds))
    return rules


def _on(column: Column, type_: str, reason: str, kwargs: dict[str, Any] | None = None) -> Rule:
    return Rule(type_, {"column": column.name, **(kwargs or {})}, "critical", reason)


def _no_rows(label: str, query: str, reason: str, severity: Severity = "critical") -> Rule:
    return Rule("unexpected_rows_expectation", {"unexpected_rows_query": query, "label": label}, severity, reason)


def _duplicate_keys(key: tuple[str, ...]) -> str:
    columns = ", ".join(key)
    return f"SELECT {columns}, count(*) AS n FROM {{batch}} GROUP BY {columns} HAVING count(*) > 1"


def _scd2_rules(table: Table) -> list[Rule]:
    """Versions of a key must not overlap, must have no gap but after a deletion, and at most one is current."""
    key = ", ".join(table.versions.natural_key)
    after = f"lead(valid_from) OVER (PARTITION BY {key} ORDER BY valid_from)"
    timeline = f"(SELECT *, {after} AS _next FROM {{batch}})"
    columns = f"{key}, valid_from, valid_to, _next"
    overlap = f"SELECT {columns} FROM {timeline} WHERE _next < coalesce(valid_to, timestamp'9999-12-31')"
    gap = f"SELECT {columns} FROM {timeline} WHERE _next > valid_to AND NOT is_deleted"
    current = f"SELECT {key}, count(*) AS n FROM {{batch}} WHERE is_current GROUP BY {key} HAVING count(*) > 1"
    return [
        _no_rows("no overlap", overlap, "At most one version of a key is valid at any time."),
        _no_rows("no gap", gap, "Only a deletion leaves a gap between versions."),
        _no_rows("one current", current, "At most one row per key is current."),
    ]
