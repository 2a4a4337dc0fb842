"""A backfill of a chain makes its days in order, resumes in the middle, and equals a full rebuild."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support import toy_chain
from support.lakes import drop
from support.toy_chain import END, SHARES, TABLE, days, expected, killed_at, run, warmth
from test_order import recorded

from etl import catalog
from etl.conf import Settings
from etl.operations.backfill import driver, plan, request
from etl.operations.backfill.register import Backfill


@pytest.fixture(autouse=True)
def module() -> Iterator[ModuleType]:
    """The module of the toy chain, in the catalog."""
    with toy_chain.registered() as registered:
        yield registered


def requested(first: int, last: int, only: request.Only = "all", version: str | None = None) -> request.Request:
    """A request for some days of the chain, the last one included."""
    end = min(END, days(last + 1)[0])
    return request.make((days(first)[0], end), [TABLE.name], only, version)


def declared(spark: SparkSession, settings: Settings, wanted: request.Request) -> Backfill:
    new = driver.declare(spark, settings, wanted, "tests", "a test")
    assert new
    return new


@pytest.mark.slow
def test_lost_days_are_rebuilt_in_order_also_when_the_backfill_is_killed_at_every_commit(
    spark: SparkSession, six_days: Settings, made_chain: Settings
) -> None:
    """Days 2 to 5 are lost. Each attempt dies after one more commit, so nothing that was done is done again."""
    drop(spark, six_days, TABLE.name, days(2, 3, 4, 5))
    backfill = declared(spark, six_days, requested(1, 6, "missing"))
    assert backfill.hours == {TABLE.name: days(2, 3, 4, 5)}
    for _commit in range(8):  # four days are staged, then switched over
        with killed_at(1, after=True):
            driver.execute(spark, six_days, backfill.id)
    assert driver.execute(spark, six_days, backfill.id).state == "done"
    assert warmth(spark, six_days) == warmth(spark, made_chain)
    assert recorded(spark, six_days) == recorded(spark, made_chain)
    assert run(spark, six_days) == [6]  # its previous day was published again; it comes out equal
    assert run(spark, six_days) == []


def test_other_logic_for_some_days_reaches_the_days_after_them(
    spark: SparkSession, six_days: Settings, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 2 warms a post by at most 3. A backfill of days 1 and 2, then a run, equal a full rebuild."""

    def less_warm(fct_shares: DataFrame, previous_day: DataFrame) -> DataFrame:
        capped = F.least(F.lit(3), F.col("shares")).alias("shares")
        return toy_chain.transform(fct_shares, previous_day).select("original_post_id", capped, "day")

    monkeypatch.setitem(module.__dict__, "TABLE", replace(TABLE, logic=((2, less_warm),)))
    catalog.entries.cache_clear()
    wanted = requested(1, 2, version="v2")
    planned = plan.make(driver.open_lake(spark, six_days)[0], wanted)
    assert [(step.table, list(step.hours)) for step in planned.downstream] == [(TABLE.name, days(3, 4, 5))]
    driver.execute(spark, six_days, declared(spark, six_days, wanted).id, accept=True)
    assert run(spark, six_days) == [3, 4, 5]
    assert warmth(spark, six_days) == expected(Counter(SHARES), hottest=3)


@pytest.mark.slow
def test_a_backfill_of_all_days_equals_the_run_that_made_them(spark: SparkSession, six_days: Settings) -> None:
    """Every day comes out equal, so nothing is published and nothing is due."""
    backfill = declared(spark, six_days, requested(1, 6))
    driver.execute(spark, six_days, backfill.id)
    found = driver.differences(spark, six_days, backfill.id)
    assert [d.hour for d in found] == days(1, 2, 3, 4, 5, 6) and not any(d.changed for d in found)
    assert run(spark, six_days) == []
