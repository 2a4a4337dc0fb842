"""Measures a batch for rules about history: one aggregate for each hour and metric, in the job of the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.engine.delta.checksums import as_hour
from etl.engine.delta.partitions import as_literal
from etl.engine.quality.history_rules import HistoryRule
from etl.model.contract import Table

Measured = Mapping[datetime, Mapping[str, Any]]
"""Hour -> name of a rule -> its value (None: it has none), or its rows by category."""


def expression(table: Table, hours: Sequence[datetime], rules: Sequence[HistoryRule]) -> str:
    """An SQL expression over a batch: a struct of the values of all rules for each hour, in an outer struct.

    NULL when there is nothing to measure.
    """
    if not rules:
        return "NULL"
    each = [_values(rules, f"{table.hour} = {as_literal(hour, table)}") for hour in hours]
    return f"struct({', '.join(each)})"


def _values(rules: Sequence[HistoryRule], condition: str = "true") -> str:
    return f"struct({', '.join(rule.expression(condition) for rule in rules)})"


def by_hour(value: Any, hours: Sequence[datetime], rules: Sequence[HistoryRule]) -> Measured:
    """The measures, from the value of `expression`."""
    return {hour: _named(found, rules) for hour, found in zip(hours, value or (), strict=bool(value))}


def of_many_hours(rows: DataFrame, table: Table, rules: Sequence[HistoryRule]) -> Measured:
    """The measures of a batch of any number of hours, in a job of their own."""
    grouped = rows.groupBy(F.col(table.hour).alias("hour")).agg(F.expr(_values(rules)).alias("found")).collect()
    return {as_hour(row["hour"]): _named(row["found"], rules) for row in grouped}


def _named(values: Any, rules: Sequence[HistoryRule]) -> dict[str, Any]:
    return {rule.name: value for rule, value in zip(rules, values, strict=True)}
