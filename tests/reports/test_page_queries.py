"""The queries of pages: a value that Python cannot hold does not break a page."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession
from support.rows import at

from etl.reports import page_queries


def test_an_instant_that_python_cannot_hold_is_none(spark: SparkSession) -> None:
    """A lake of an earlier release may hold such an instant. Other values of the column stay."""
    instants = ["2026-06-01T10:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "+57441-01-01T00:00:00Z"]
    listed = ", ".join(f"({n}, timestamp'{text}', date'{text[:-10]}')" for n, text in enumerate(instants))
    answer = spark.sql(f"SELECT * FROM VALUES {listed} AS rows(n, at, day) ORDER BY n")

    found = page_queries._collected(answer)

    assert [row["at"] for row in found] == [at("10:00"), None, None, None]
    assert [row["day"] for row in found] == [date(2026, 6, 1), None, None, None]
