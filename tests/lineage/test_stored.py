"""Lineage is kept in a file, because the code alone determines it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl import conf
from etl.lineage import stored
from etl.lineage.flow import Lineage, Source


def test_stored_lineage_equals_computed_lineage(spark: SparkSession, lineages: dict[str, Lineage]) -> None:
    """Fields of structs are not stored: no column of a table is read by field in a document."""
    for lineage in lineages.values():
        read = stored.from_document(json.loads(json.dumps(stored.as_document(lineage))))
        assert stored.as_document(read) == stored.as_document(lineage)
        assert (read.rows, {n: (f.value, f.through) for n, f in read.columns.items()}) == (
            lineage.rows, {n: (f.value, f.through) for n, f in lineage.columns.items()}
        )  # fmt: skip


def test_lineage_is_read_from_its_file_without_spark(tmp_path: Path) -> None:
    """A damaged file, or none, is computed again."""

    def no_spark() -> SparkSession:
        raise AssertionError("Spark was started")

    (tmp_path / f"{stored.fingerprint()}.json").write_text(
        json.dumps({"t": {"columns": {"c": [[["s", "a"]], [["join", "s", "b"]]]}, "rows": [["filter", "s", "*"]]}})
    )
    found = stored.of_all_tables(no_spark, conf.load("local"), tmp_path)
    assert found["t"].columns["c"].value == {Source("s", "a")}
    assert found["t"].rows == {("filter", Source("s", "*"))}
    (tmp_path / f"{stored.fingerprint()}.json").write_text("{")
    with pytest.raises(AssertionError, match="Spark was started"):
        stored.of_all_tables(no_spark, conf.load("local"), tmp_path)
