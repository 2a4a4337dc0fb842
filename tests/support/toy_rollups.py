"""Two toy rollups of shares for tests of the order of work: one is urgent, the other one serves readers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl import catalog
from etl.engine.quality import suites
from etl.engine.quality.rule import Rule
from etl.model.contract import Input, Layer, Replace, Table
from etl.model.work_class import WorkClass
from etl.subjects.feed.columns import columns
from etl.subjects.feed.facts import fct_shares

SERVING = Table(
    "agg_served_shares",
    Layer.ROLLUPS,
    columns("original_post_id", "shares", "share_hour"),
    ("original_post_id", "share_hour"),
    Replace(),
    "content",
    partition=("share_hour",),
    inputs=(Input(fct_shares.TABLE),),
    freshness="serving",
)
BILLED = replace(SERVING, name="agg_billed_shares", urgency=WorkClass.BILLING, freshness="batch")
TABLES = ["bronze_shares", "fct_shares", SERVING.name, BILLED.name]


def transform(fct_shares: DataFrame) -> DataFrame:
    """The number of shares of each post and hour."""
    counted = fct_shares.groupBy("original_post_id", "share_hour").agg(F.count("*").alias("shares"))
    return counted.select(*SERVING.column_names)


@contextmanager
def registered() -> Iterator[None]:
    """The catalog with both rollups in it, as if their modules were in the feed."""
    added = [ModuleType(f"etl.subjects.feed.rollups.{table.name}", "One row.") for table in (SERVING, BILLED)]
    for module, table in zip(added, (SERVING, BILLED), strict=True):
        module.__dict__.update({"TABLE": table, "transform": transform})
    rule = Rule("expect_column_values_to_not_be_null", {"column": "shares"}, "critical", "A test.")
    modules, written = catalog._modules, suites.written
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(catalog, "_modules", lambda: [*modules(), *added])
        patched.setattr(suites, "written", lambda name: (rule,) if name in TABLES[2:] else written(name))
        catalog.entries.cache_clear()
        yield
    catalog.entries.cache_clear()
