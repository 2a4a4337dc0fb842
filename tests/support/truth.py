"""Compares a lake with the truth that the simulator wrote next to its landing files, row by row."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.sql import views
from etl.terminal import plain

REACH_ERROR = 4 * 0.016  # four times the standard error of a sketch after a union


def expected(landing: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a table in the truth."""
    with (landing / "_truth" / f"{table}.jsonl").open() as lines:
        return [json.loads(line) for line in lines]


def actual(spark: SparkSession, settings: Settings, table: str, columns: list[str]) -> list[dict[str, Any]]:
    """The rows of a table in the lake, as plain values."""
    rows = delta.read(spark, views.uri(settings, catalog.entry(table).table)).select(*columns).collect()
    return [{k: plain(v) for k, v in row.asDict().items()} for row in rows]


def normal(value: Any) -> Any:
    """A normal form of instants and decimals."""
    if isinstance(value, str) and value.endswith("+00:00"):
        return value.replace(".000000+", "+")
    try:
        return Decimal(value).normalize() if isinstance(value, str) else value
    except ArithmeticError:
        return value


def differences(spark: SparkSession, settings: Settings, landing: Path, table: str, key: list[str]) -> list[str]:
    """Every missing, extra or different row. Reach is compared within the error of its sketch."""
    wanted = {tuple(normal(r[k]) for k in key): r for r in expected(landing, table)}
    sample = next(iter(wanted.values()))
    columns_of_table = catalog.entry(table).table.column_names
    has_reach = "reach" in sample and "reach" not in columns_of_table
    columns = [c for c in sample if c in columns_of_table]
    rows = actual(spark, settings, table, columns)
    found = {tuple(normal(r[k]) for k in key): r for r in rows}
    problems = [f"{len(rows)} rows, {len(found)} keys"] if len(rows) != len(found) else []
    problems += [f"missing {k}" for k in wanted.keys() - found.keys()]
    problems += [f"extra {k}" for k in found.keys() - wanted.keys()]
    for k in wanted.keys() & found.keys():
        for c in columns:
            if not same(c, wanted[k][c], found[k][c]):
                problems.append(f"{k} {c}: truth {wanted[k][c]!r}, lake {found[k][c]!r}")
    assert columns and (not has_reach or "reach_hll" in columns_of_table)
    return problems


def same(column: str, wanted: Any, found: Any) -> bool:
    """Whether two values are equal; for reach, within the error of its sketch."""
    if column == "reach":
        return abs(wanted - found) <= max(0, REACH_ERROR * wanted)
    return bool(normal(wanted) == normal(found))
