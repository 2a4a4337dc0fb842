"""How the Parquet files of a lake are encoded and compressed."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from support.rows import rows

from etl import catalog
from etl.subjects.feed.facts import fct_impressions


def test_columns_of_mostly_distinct_values_have_no_dictionary(spark: SparkSession, tmp_path: Path) -> None:
    """A column with few values, such as the four surfaces, has one."""
    written = rows(spark, fct_impressions.TABLE, [{"feed_position": n} for n in range(100)]).coalesce(1)
    written.write.parquet(str(tmp_path / "some"))
    (file,) = (tmp_path / "some").glob("*.parquet")
    group = pq.read_metadata(file).row_group(0)
    found = [group.column(i) for i in range(group.num_columns)]
    with_dictionary = {c.path_in_schema for c in found if c.has_dictionary_page}
    assert {c.compression for c in found} == {"ZSTD"}
    assert "surface" in with_dictionary
    assert not with_dictionary & {c.name for c in catalog.vocabulary().values() if c.distinct}
