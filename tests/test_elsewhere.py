"""The code in docs/elsewhere.md reads the tables without Spark."""

from __future__ import annotations

import re
from typing import Any

import pytest
from datasketches import hll_sketch, hll_union, tgt_hll_type
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.lakes import existing_tables
from support.local_lake import Simulated
from support.truth import REACH_ERROR

from etl import catalog, conf
from etl.engine.delta import tables as delta
from etl.engine.sql import views

PAGE = conf.home() / "docs" / "elsewhere.md"
SAMPLE = 'Path("lake/simulated")'


@pytest.fixture(scope="module")
def page(simulated: Simulated) -> dict[str, Any]:
    """Run the code of the page over the simulated lake. Returns every name that the code defines."""
    names: dict[str, Any] = {}
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S))
    assert SAMPLE in code
    exec(code.replace(SAMPLE, f"Path({str(simulated.lake)!r})"), names)
    return names


def by_spark(spark: SparkSession, simulated: Simulated, table: str) -> DataFrame:
    """A table, read by Spark."""
    return delta.read(spark, views.uri(simulated.settings, catalog.entry(table).table))


def test_arrow_sees_every_row_of_every_table(spark: SparkSession, simulated: Simulated, page: dict[str, Any]) -> None:
    for table in existing_tables(spark, simulated.settings):
        rows = by_spark(spark, simulated, table.name).count()
        found = page["dataset"](table.layer.name.lower(), table.name)
        assert (found.count_rows(), tuple(found.schema.names)) == (rows, table.column_names)


def test_an_old_version_can_still_be_read(page: dict[str, Any]) -> None:
    """Version 0 of a table is empty, because nothing was published yet."""
    assert page["dataset"]("marts", "mart_post_engagement_daily", version=0).count_rows() == 0
    assert page["posts"].count_rows() > 0


def test_duckdb_reads_what_spark_reads(spark: SparkSession, simulated: Simulated, page: dict[str, Any]) -> None:
    marts = by_spark(spark, simulated, "mart_post_engagement_daily")
    busiest = marts.orderBy(F.desc("impressions"), "post_id").limit(10).select("post_id", "impressions", "like_rate")
    assert page["busiest"] == [tuple(row) for row in busiest.collect()]


def test_duckdb_sees_instants_in_utc(spark: SparkSession, simulated: Simulated, page: dict[str, Any]) -> None:
    facts = by_spark(spark, simulated, "fct_impressions")
    hours = facts.groupBy(F.unix_timestamp("impression_hour").alias("hour")).count().orderBy("hour").collect()
    assert [(int(hour.timestamp()), n) for hour, n in page["by_hour"]] == [tuple(row) for row in hours]


def test_polars_reads_what_spark_reads(spark: SparkSession, simulated: Simulated, page: dict[str, Any]) -> None:
    rollup = by_spark(spark, simulated, "agg_ranker_hourly")
    sums = rollup.groupBy("surface").agg(F.sum("impressions"), F.sum("likes")).orderBy("surface").collect()
    assert page["surfaces"].rows() == [tuple(row) for row in sums]


def test_a_sketch_estimates_the_same_reach_outside_spark(page: dict[str, Any]) -> None:
    """The estimates are equal for every post."""
    assert {row["post_id"]: row["reach"] for row in page["rows"]} == page["per_post"]


def merged(page: dict[str, Any]) -> bytes:
    """The sketches of all posts, merged by the Python package."""
    union = hll_union(page["LG_K"])
    for row in page["rows"]:
        union.update(hll_sketch.deserialize(row["reach_hll"]))
    return bytes(union.get_result(tgt_hll_type.HLL_8).serialize_compact())


def test_sketches_merged_outside_spark_equal_the_sketch_that_spark_merges(
    spark: SparkSession, simulated: Simulated, page: dict[str, Any]
) -> None:
    """Each sketch is merged with itself to remove the insertion order: equal contents then give equal estimates."""
    marts = by_spark(spark, simulated, "mart_post_engagement_daily")
    ((merged_by_spark,),) = marts.agg(F.hll_union_agg("reach_hll")).collect()
    by_one = bytes(merged_by_spark)
    assert page["reach"]([merged(page)] * 2) == page["reach"]([by_one] * 2)
    assert page["in_all"] == pytest.approx(page["reach"]([by_one]), rel=REACH_ERROR)


def test_spark_reads_a_sketch_merged_outside(spark: SparkSession, page: dict[str, Any]) -> None:
    made = spark.createDataFrame([(merged(page), page["rows"][0]["reach_hll"])], "all BINARY, one BINARY")
    (again,) = made.select(F.hll_sketch_estimate("all"), F.hll_sketch_estimate(F.hll_union("all", "one"))).collect()
    assert tuple(again) == (page["in_all"], page["in_all"])
