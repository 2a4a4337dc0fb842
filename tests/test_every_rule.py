"""Every rule of every suite can fail: a row that breaks it is found, and a valid row is not.

Rows that break a structural rule follow from the contract. Rows that break a written rule are in
`tests/subjects/<subject>/violations.yaml`; a rule without one fails here.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType
from support.rows import Row, at, complete

from etl import catalog
from etl.engine.jobs import ddl
from etl.engine.quality import suites
from etl.engine.quality.rule import Rule
from etl.model.contract import Column, Scd2, Table

SUBJECTS = Path(__file__).parent / "subjects"
RULES = [(table, rule) for table in catalog.tables() for rule in suites.suite(table)]
QUERIES = [(table, rule) for table, rule in RULES if rule.query]
FAR = 10**15
"""An id that no dimension has."""


@cache
def written(folder: str) -> dict[str, dict[str, list[Row]]]:
    """Table -> rule -> rows that break it, as a subject's tests list them."""
    file = SUBJECTS / folder / "violations.yaml"
    loaded: dict[str, dict[str, list[Row]]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return loaded


def short_name(rule: Rule) -> str:
    """What the lists of violations call a written rule: its label, its column, or both of its columns."""
    pair = " > ".join(rule.kwargs[k] for k in ("column_A", "column_B")) if "column_A" in rule.kwargs else ""
    return str(rule.kwargs.get("label") or rule.kwargs.get("column") or pair)


def typed(value: Any, column: Column) -> Any:
    """A value of YAML as the type of its column."""
    if isinstance(value, str) and column.type == "TIMESTAMP":
        return datetime.fromisoformat(value)
    if isinstance(value, int | float) and column.type.startswith("DECIMAL"):
        return Decimal(str(value))
    return value


def valid(table: Table) -> Row:
    """A row that breaks no rule of one column."""
    return complete(table.columns, {}, 1)


def outside(column: Column) -> Any:
    """A value next to the bounds of a column."""
    step = Decimal(1) if column.type.startswith("DECIMAL") else 1
    if column.low is not None:
        return type(step)(column.low) - step
    assert column.high is not None
    return type(step)(column.high) + step


def structural(table: Table, rule: Rule) -> list[Row]:
    """Rows that break a rule that follows from the contract. Raises KeyError for a rule of no known kind."""
    if not rule.query:
        column = next(c for c in table.columns if c.name == rule.kwargs["column"])
        broken = {
            "expect_column_values_to_not_be_null": None,
            "expect_column_values_to_be_in_set": "of no set",
        }
        return [{column.name: broken[rule.type] if rule.type in broken else outside(column)}]
    label = rule.kwargs["label"]
    if label == suites.KEY:
        same = {name: valid(table)[name] for name in table.key}
        return [same, same]
    for reference in table.references:
        if label == f"{reference.column} known":
            return [{reference.column: FAR}]
        if label == f"{reference.column} live":
            return [{reference.column: 1, reference.at: at("09:00")}]  # before the one version that there is
    return _versions(table, label)


def _versions(table: Table, label: str) -> list[Row]:
    assert isinstance(table.write, Scd2)
    key = {name: valid(table)[name] for name in table.write.natural_key}
    nine, ten, eleven = at("09:00"), at("10:00"), at("11:00")
    hours: dict[str, list[tuple[datetime, datetime | None, bool]]] = {
        "no overlap": [(nine, eleven, False), (ten, None, False)],
        "no gap": [(nine, ten, False), (eleven, None, False)],
        "one current": [(nine, None, False), (nine, None, False)],
    }
    return [
        key | {"valid_from": start, "valid_to": end, "is_deleted": deleted, "is_current": end is None}
        for start, end, deleted in hours[label]
    ]


def violation(table: Table, rule: Rule) -> list[Row]:
    """Rows that break a rule. Raises KeyError for a written rule without any."""
    if rule in suites.structural(table):
        return structural(table, rule)
    by_name = {column.name: column for column in table.columns}
    listed = written(catalog.folder(table))[table.name][short_name(rule)]
    return [{name: typed(value, by_name[name]) for name, value in row.items()} for row in listed]


def breaks(rule: Rule, row: Row) -> bool:
    """Whether a row breaks a rule of columns, as Great Expectations defines these types."""
    limits = rule.kwargs.get("min_value"), rule.kwargs.get("max_value")
    value: Any = row.get(rule.kwargs.get("column", ""))
    match rule.type:
        case "expect_column_values_to_not_be_null":
            return value is None
        case "expect_column_values_to_be_in_set":
            return value not in rule.kwargs["value_set"]
        case "expect_column_value_lengths_to_be_between":
            value = len(value)
        case "expect_column_pair_values_a_to_be_greater_than_b":
            return bool(row[rule.kwargs["column_A"]] <= row[rule.kwargs["column_B"]])
        case "expect_column_values_to_be_between":
            pass
        case _:
            raise AssertionError(f"{rule.type}: say here when a row breaks it.")
    low, high = limits
    return (low is not None and value < low) or (high is not None and value > high)


@pytest.mark.parametrize(
    ("table", "rule"), [pytest.param(t, r, id=f"{t.name} {short_name(r)}") for t, r in RULES if not r.query]
)
def test_a_rule_of_a_column_can_fail(table: Table, rule: Rule) -> None:
    (changed,) = violation(table, rule)
    assert changed.keys() <= set(table.column_names)
    assert breaks(rule, valid(table) | changed)


def test_every_query_for_unexpected_rows_can_fail(spark: SparkSession) -> None:
    """Each query finds the rows that break its rule, and no row in an empty batch; all of them in one job."""
    for table in {ref.to.name: ref.to for t in catalog.tables() for ref in t.references}.values():
        row = valid(table) | {table.key[0]: 1, "valid_from": at("10:00"), "valid_to": None}
        _view(spark, table, [row]).createOrReplaceTempView(table.name)
    counts = []
    for number, (table, rule) in enumerate(QUERIES):
        for name, given in (("broken", violation(table, rule)), ("empty", [])):
            view = f"batch_{number}_{name}"
            _view(spark, table, [valid(table) | row for row in given]).createOrReplaceTempView(view)
            query = rule.query.replace("{batch}", view)
            counts.append(f"SELECT {number} AS n, '{name}' AS given, count(*) AS found FROM ({query})")
    found = spark.sql(" UNION ALL ".join(counts)).where((F.col("given") == "broken") == (F.col("found") == 0)).collect()
    assert [f"{QUERIES[r['n']][0].name}: {short_name(QUERIES[r['n']][1])} ({r['given']})" for r in found] == []


def _view(spark: SparkSession, table: Table, rows: list[Row]) -> Any:
    """Rows of a table whose columns may all be NULL."""
    schema = StructType([StructField(f.name, f.dataType, True) for f in ddl.schema(table).fields])
    return spark.createDataFrame([tuple(row[name] for name in table.column_names) for row in rows], schema)


def test_no_violation_is_of_a_rule_that_is_gone() -> None:
    known = {(t.name, short_name(r)) for t, r in RULES if r not in suites.structural(t)}
    listed = {
        (table, rule)
        for folder in {catalog.folder(t) for t in catalog.tables()}
        for table, rules in written(folder).items()
        for rule in rules
    }
    assert listed - known == set()
