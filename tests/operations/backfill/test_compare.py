"""The measures that a backfill compares before it switches rebuilt hours over."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from support.local_lake import Simulated

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.sql import views
from etl.model.contract import Table
from etl.operations.backfill import compare

SKETCHED = [t for t in catalog.tables() if any(c.type == "BINARY" for c in t.columns)]


@pytest.mark.parametrize("table", SKETCHED, ids=lambda t: t.name)
def test_every_sketch_is_compared_by_a_number(
    spark: SparkSession, simulated: Simulated, simulated_ads: Simulated, table: Table
) -> None:
    """A distinct sketch is compared by its estimate, a quantile sketch by its number of values."""
    lake = simulated_ads if "ads" in catalog.subjects_of(table) else simulated
    rows = delta.read(spark, views.uri(lake.settings, table))
    sketches = [c.name for c in table.columns if c.type == "BINARY"]
    measured = {n: m for n, m in compare.measures(table).items() if n in sketches}
    (values,) = rows.agg(*[m.alias(n) for n, m in measured.items()]).collect()
    assert sorted(measured) == sorted(sketches) and all(values[name] > 0 for name in sketches)


def test_the_values_of_a_quantile_sketch_are_counted_exactly(spark: SparkSession, simulated: Simulated) -> None:
    """Every accepted record has one lag."""
    table = catalog.entry("agg_ingest_hourly").table
    rows = delta.read(spark, views.uri(simulated.settings, table)).where("lag_kll IS NOT NULL")
    (records,) = rows.selectExpr("sum(records_accepted) AS accepted").collect()
    (sketch,) = rows.agg(compare.measures(table)["lag_kll"].alias("lags")).collect()
    assert sketch.lags == records.accepted
