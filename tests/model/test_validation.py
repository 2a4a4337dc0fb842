"""A contract with a fault is rejected when the catalog loads. The error has one line with the next step."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from etl import catalog
from etl.errors import ContractViolation
from etl.model import validation
from etl.model.contract import Chain, Column, Input, InsertNew, Layer, MergeAggregate, Reference, Replace, Scd2, Table
from etl.model.vocabulary import Vocabulary
from etl.subjects.feed.columns import columns
from etl.subjects.feed.dims import dim_posts
from etl.subjects.feed.events import SHARES
from etl.subjects.feed.facts import fct_shares
from etl.subjects.feed.marts import mart_post_engagement_daily
from etl.subjects.shared.bronze_tables import bronze_table

VALID = Table(
    "agg_made", Layer.ROLLUPS, columns("post_id", "impressions", "hour"), ("post_id", "hour"), Replace(),
    "content", partition=("hour",), cluster=("post_id",), inputs=(Input(dim_posts.TABLE),),
)  # fmt: skip
CHAIN: dict[str, Any] = {
    "name": "agg_made", "columns": columns("post_id", "impressions", "day"), "key": ("post_id", "day"),
    "partition": ("day",), "chain": Chain(7), "inputs": (Input(fct_shares.TABLE),),
}  # fmt: skip
"""What makes the valid table a chain."""
UNKNOWN = Column("color", "STRING", "A column that no vocabulary defines")
FAULTS = {
    "unknown key column": ({"key": ("viewer_id",)}, "key names viewer_id, which is not a column of this table"),
    "unknown partition column": ({"partition": ("day",)}, "partition names day"),
    "unknown cluster column": ({"cluster": ("day",)}, "cluster names day"),
    "duplicate column": (
        {"columns": columns("post_id", "hour", "hour", "impressions")},
        "the column hour is listed 2 times",
    ),
    "undefined column": ({"columns": (*VALID.columns, UNKNOWN)}, "the column color is not defined in columns.py"),
    "input of a later layer": (
        {"inputs": (Input(mart_post_engagement_daily.TABLE),)},
        "reads a later layer: mart_post_engage",
    ),
    "unknown input column": ({"inputs": (Input(dim_posts.TABLE, by="hour"),)}, "dim_posts has no column hour"),
    "unknown referenced column": (
        {"references": (Reference("post_id", dim_posts.TABLE, "share_id", at="hour"),)},
        "dimension dim_posts has no column share_id",
    ),
    "preclustered without cluster": (
        {"write": Replace(preclustered=True), "cluster": ()},
        "preclustered needs inputs and cluster",
    ),
    "MergeAggregate without event": (
        {"write": MergeAggregate(lambda old, new: old)},
        "MergeAggregate needs an event",
    ),
    "InsertNew without input": ({"write": InsertNew(), "inputs": ()}, "InsertNew needs an input"),
    "hook for hours by an unknown column": (
        {"write": InsertNew(0, "day", lambda changed, rows: rows)},
        "affected_by names day",
    ),
    "hook for hours without a column": (
        {"write": InsertNew(affected_hours=lambda changed, rows: rows)},
        "affected_by names ",
    ),
    "unknown natural key column": ({"write": Scd2(("creator_id",), ("hour",))}, "natural_key names creator_id"),
    "a version of the logic that is listed twice": ({"logic": ((2, str), (2, str))}, "logic lists version 2"),
    "a version of the logic without a number": ({"logic": ((0, str),)}, "logic lists version 0"),
    "chain of hours": (
        CHAIN | {"columns": VALID.columns, "key": VALID.key, "partition": ("hour",)},
        'a chain has one partition per day. Set partition=("day",)',
    ),
    "chain with a second partition column": (
        CHAIN | {"partition": ("post_id", "day")},
        "a chain has one partition per day",
    ),
    "chain that inserts": (CHAIN | {"write": InsertNew()}, "InsertNew does not. Use Replace()."),
    "chain without reach": (CHAIN | {"chain": Chain(0)}, "reach_days is 0. A chain reaches at least 1 later day."),
    "chain of a dimension": (
        CHAIN | {"inputs": (Input(dim_posts.TABLE, as_of=True),)},
        "a chain needs an input that makes its days due",
    ),
    "chain per viewer": (
        CHAIN | {"columns": columns("viewer_id", "day"), "key": ("viewer_id", "day"), "cluster": ()},
        "a chain in a rollup or mart would read pseudonyms",
    ),
    "unknown column derived from a person": (
        {"derived_from_person": (("click_id", str),)},
        "derived_from_person names click_id",
    ),
}


@pytest.mark.parametrize(("changes", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_reported_in_one_line_with_the_table(changes: dict[str, Any], fault: str) -> None:
    table = dataclasses.replace(VALID, **changes)

    with pytest.raises(ContractViolation) as error:
        validation.check([table], catalog.vocabulary())

    assert str(error.value).startswith("agg_made: ") and fault in str(error.value)
    assert "\n" not in str(error.value)


def test_all_faults_of_all_tables_are_reported_together() -> None:
    tables = [dataclasses.replace(VALID, key=("viewer_id", "day")), dataclasses.replace(VALID, cluster=("day",))]

    with pytest.raises(ContractViolation) as error:
        validation.check(tables, catalog.vocabulary())

    assert len(str(error.value).splitlines()) == 4  # three unknown columns, and two tables with one name


def test_the_base_contracts_of_these_tests_have_no_fault() -> None:
    validation.check([VALID], catalog.vocabulary())
    validation.check([dataclasses.replace(VALID, **CHAIN)], catalog.vocabulary())


def test_a_default_without_null_is_rejected() -> None:
    column = dataclasses.replace(UNKNOWN, default="'red'")
    table = dataclasses.replace(VALID, columns=(*VALID.columns, column))
    assert list(validation.faults(table, {**catalog.vocabulary(), "color": column})) == [
        "color has a default and no NULL that it could stand for. Make the column optional."
    ]


def test_a_default_outside_of_the_value_set_is_rejected() -> None:
    column = dataclasses.replace(UNKNOWN, default="'red'", nullable=True, values=("blue", "green"))
    table = dataclasses.replace(VALID, columns=(*VALID.columns, column))
    assert list(validation.faults(table, {**catalog.vocabulary(), "color": column})) == [
        "the default of color is not one of its values. Use one of: blue, green."
    ]


def test_an_event_later_than_its_facts_are_kept_is_rejected() -> None:
    """Its bronze table, and each fact made from it, must still be there when the last record lands."""
    event = dataclasses.replace(SHARES, lateness_days=31)
    bronze = bronze_table(event)
    facts = dataclasses.replace(fct_shares.TABLE, inputs=(Input(bronze),))
    late = "shares may come 31 days late, and this table keeps 30 days. Lower lateness_days of the event."
    assert [list(validation.faults(table, catalog.vocabulary())) for table in (bronze, facts)] == [[late], [late]]
    assert list(validation.faults(dataclasses.replace(facts, retention_days=40), catalog.vocabulary())) == []


def test_a_column_defined_twice_is_rejected() -> None:
    with pytest.raises(ContractViolation, match="post_id is defined twice"):
        Vocabulary(columns["post_id"], columns["post_id"])


def test_an_undefined_column_is_rejected() -> None:
    with pytest.raises(ContractViolation, match="no column 'color'"):
        columns("color")
