"""Rows of queries as Python values: every type and every value can be printed, in UTC."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from etl.engine.sql import printable


@pytest.mark.parametrize(("sql", "expected"), [
    ("timestamp'2026-06-01T10:00:00.000001+05:30'", "2026-06-01T04:30:00.000001+00:00"),
    ("timestamp_ltz'-0044-03-15T12:00:00Z'", "-0044-03-15T12:00:00+00:00"),
    ("array(struct(timestamp'2026-11-01T06:00:00Z' AS at, 1 AS n), NULL)", [("2026-11-01T06:00:00+00:00", 1), None]),
    ("map(timestamp'2026-11-01T05:00:00Z', 1, timestamp'2026-11-01T06:00:00Z', 2)",
     {"2026-11-01T05:00:00+00:00": 1, "2026-11-01T06:00:00+00:00": 2}),
    ("CAST(NULL AS STRUCT<at: TIMESTAMP>)", None),
    ("CAST(NULL AS TIMESTAMP)", None),
    ("date'+57441-01-01'", "+57441-01-01"),
    ("make_interval(1, 2)", "1 years 2 months"),
    ("parse_json('{\"a\": [1]}')", '{"a":[1]}'),
    ("NULL", None),
    ("X'00ff'", bytearray(b"\x00\xff")),
])  # fmt: skip
def test_a_value_of_any_type_is_printable(spark: SparkSession, sql: str, expected: object) -> None:
    assert printable.rows(spark.sql(f"SELECT {sql} AS value")) == [{"value": expected}]


@pytest.mark.parametrize("statement", ["SHOW FUNCTIONS LIKE 'year'", "EXPLAIN SELECT 1", "SELECT 1 AS n, 2 AS n"])
def test_the_rows_of_any_statement_are_printable(spark: SparkSession, statement: str) -> None:
    assert len(printable.rows(spark.sql(statement))) == 1
