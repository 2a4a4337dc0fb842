"""Delta tables as several runs meet them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pyspark.sql import SparkSession

from etl.engine import delta


def test_runs_that_make_a_table_at_once_all_find_it(spark: SparkSession, tmp_path: Path) -> None:
    """As the first tasks of a new lake do; Delta lets one of them create it and refuses the others."""
    uris = [(tmp_path / f"table{number}").as_uri() for number in range(3)]
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(delta.create, spark, uri, "(n BIGINT) USING DELTA") for uri in uris for _ in range(8)]
    assert [each.exception() for each in done] == [None] * len(done)
    assert all(delta.read(spark, uri).count() == 0 for uri in uris)
