"""A table that reads its own previous day: made day by day, resumed in the middle, and no further than needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession
from support import toy_chain
from support.toy_chain import SHARES, TABLE, expected, killed_at, land, land_six_days, run, warmth

from etl import catalog
from etl.airflow.tables import derived
from etl.conf import Settings
from etl.docs import graph, pages
from etl.engine.state.ledger import Ledger
from etl.lineage.flow import Source
from etl.lineage.impact import changes
from etl.lineage.tables import edges, of_table


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    """The toy chain is in the catalog."""
    with toy_chain.registered():
        yield


def test_each_day_is_made_from_the_day_before_also_where_no_input_has_rows(
    spark: SparkSession, six_days: Settings
) -> None:
    """Days 3 to 5 have no share. Each day is one publish, and a further run has nothing to do."""
    assert warmth(spark, six_days) == expected(Counter(SHARES)) == {1: 2, 2: 4, 3: 3, 4: 2, 5: 1, 6: 2}
    published = Ledger.existing(spark, six_days.lake).published(TABLE.name)
    assert [state["hour"].day for e in published for state in e.published_hours] == [1, 2, 3, 4, 5, 6]
    assert run(spark, six_days) == []


def test_a_late_record_makes_days_again_up_to_the_first_one_that_comes_out_equal(
    spark: SparkSession, six_days: Settings
) -> None:
    """The second share of day 1 warms day 1 only, because day 2 is warmer anyway. Day 4's reaches the last day."""
    land(six_days, 1, 10, landed=6)
    assert run(spark, six_days) == [1, 2]
    for number in (11, 12):
        land(six_days, 4, number, landed=6)
    assert run(spark, six_days) == [4, 5, 6]
    assert warmth(spark, six_days) == expected(Counter((*SHARES, 1, 4, 4)))


@pytest.mark.parametrize("after", [False, True], ids=["before a commit", "after a commit"])
def test_a_killed_run_goes_on_in_the_middle(spark: SparkSession, settings: Settings, after: bool) -> None:
    """It dies at its third day. The next run makes no earlier day again, and the third only if it was not published."""
    land_six_days(settings)
    with killed_at(3, after):
        run(spark, settings)
    assert run(spark, settings) == ([4, 5, 6] if after else [3, 4, 5, 6])
    assert warmth(spark, settings) == expected(Counter(SHARES))


def test_a_change_that_was_published_right_before_a_kill_still_reaches_the_later_days(
    spark: SparkSession, six_days: Settings
) -> None:
    """Only the ledger row in the commit of day 3 says that day 4 is due."""
    for number in (10, 11):
        land(six_days, 3, number, landed=6)
    with killed_at(1, after=True):
        run(spark, six_days)
    assert run(spark, six_days) == [4, 5, 6]
    assert warmth(spark, six_days) == expected(Counter((*SHARES, 3, 3)))


def test_lineage_names_the_table_itself_and_impact_ends(spark: SparkSession, settings: Settings) -> None:
    lineage = of_table(spark, settings, catalog.entry(TABLE.name))
    own = Source(TABLE.name, "shares")
    assert own in lineage.columns["shares"].value
    found = changes(Source("fct_shares", "share_hour"), edges({TABLE.name: lineage}))
    assert own in {change.target for change in found}


def test_pages_and_dags_have_no_arrow_from_the_table_to_itself() -> None:
    """The page says in words that it reads its previous day."""
    page = pages.page(catalog.entry(TABLE.name), None, [])
    assert page.inputs[-1] == (TABLE.name, "the day before; a change reaches at most 3 later days")
    assert graph.reads(TABLE) == ["fct_shares"]
    assert [step.after for step in derived() if step.name == TABLE.name] == [["fct_shares"]]
