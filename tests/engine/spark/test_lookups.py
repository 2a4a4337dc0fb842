"""Classes and static methods of the JVM are asked for once; a loop over a list of the JVM raises nothing in it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from py4j.clientserver import ClientServerConnection
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from etl.engine.spark.jvm import as_dict, as_list, as_map, as_seq, jvm


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The kinds of calls of the JVM from now on: `r` looks something up."""
    counted: Counter[str] = Counter()
    send = ClientServerConnection.send_command

    def counting(self: ClientServerConnection, command: str) -> Any:
        counted[command[0]] += 1
        return send(self, command)

    monkeypatch.setattr(ClientServerConnection, "send_command", counting)
    return counted


def test_a_column_is_made_without_looking_anything_up(spark: SparkSession, calls: Counter[str]) -> None:
    spark.range(1).select(F.lit(1), F.col("id"))
    calls.clear()

    spark.range(1).select(F.lit(2), F.col("id"))

    assert (calls["r"], calls["c"] > 0) == (0, True)


def test_a_static_field_is_read_again_and_a_missing_class_is_not_remembered(spark: SparkSession) -> None:
    assert jvm(spark, "java.io.File").separator == "/"
    with pytest.raises((Py4JError, TypeError)):
        jvm(spark, "no.such.Thing")()


def test_lists_and_maps_come_back_as_they_went(spark: SparkSession) -> None:
    assert as_list(spark, as_seq(spark, ["a", "b"])) == ["a", "b"]
    assert as_list(spark, as_seq(spark, [])) == []
    assert as_dict(spark, as_map(spark, {"a": "1", "b": "2"})) == {"a": "1", "b": "2"}


def test_reading_a_list_raises_no_exception_in_the_jvm(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """PySpark converts each exception, with dozens of calls."""
    raised: list[Any] = []
    monkeypatch.setattr("pyspark.errors.exceptions.captured._convert_exception", raised.append)

    as_list(spark, as_seq(spark, ["a", "b"]))

    assert not raised
