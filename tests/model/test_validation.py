"""A contract with a fault is refused when the catalog loads, in one line that says what to do."""

from __future__ import annotations

import dataclasses

import pytest

from etl import catalog
from etl.errors import ContractViolation
from etl.model import validation
from etl.model.contract import Column, Input, InsertNew, Layer, MergeAggregate, Reference, Replace, Scd2, Table
from etl.model.vocabulary import Vocabulary
from etl.subjects.feed.columns import columns
from etl.subjects.feed.dims import dim_posts
from etl.subjects.feed.marts import mart_post_engagement_daily

RIGHT = Table(
    "agg_made", Layer.ROLLUPS, columns("post_id", "impressions", "hour"), ("post_id", "hour"), Replace(),
    "content", partition=("hour",), cluster=("post_id",), inputs=(Input(dim_posts.TABLE),),
)  # fmt: skip
MADE_UP = Column("colour", "STRING", "Of no vocabulary")
WRONG = {
    "a key that is no column": ({"key": ("viewer_id",)}, "key names viewer_id, which is no column of it"),
    "a partition that is no column": ({"partition": ("day",)}, "partition names day"),
    "a cluster that is no column": ({"cluster": ("day",)}, "cluster names day"),
    "a column twice": (
        {"columns": columns("post_id", "hour", "hour", "impressions")},
        "the column hour is there 2 times",
    ),
    "a column of its own": ({"columns": (*RIGHT.columns, MADE_UP)}, "the column colour is not one of columns.py"),
    "a later layer": ({"inputs": (Input(mart_post_engagement_daily.TABLE),)}, "reads a later layer: mart_post_engage"),
    "an input by a column it lacks": ({"inputs": (Input(dim_posts.TABLE, by="hour"),)}, "has no column hour to go by"),
    "a reference to nothing": (
        {"references": (Reference("post_id", dim_posts.TABLE, "share_id", at="hour"),)},
        "dim_posts has no column share_id to refer to",
    ),
    "rows in ranges of no column": ({"write": Replace(preclustered=True), "cluster": ()}, "can be preclustered"),
    "a fold of no event": ({"write": MergeAggregate(lambda old, new: old)}, "only landed records are folded"),
    "nothing to read": ({"write": InsertNew(), "inputs": ()}, "needs a table to read"),
    "versions of no column": ({"write": Scd2(("creator_id",), ("hour",))}, "natural_key names creator_id"),
    "a hash of a person in no column": ({"made_of_person": (("click_id", str),)}, "made_of_person names click_id"),
}


@pytest.mark.parametrize(("changes", "fault"), WRONG.values(), ids=WRONG.keys())
def test_a_fault_is_said_in_one_line_with_the_table(changes: dict[str, object], fault: str) -> None:
    table = dataclasses.replace(RIGHT, **changes)  # type: ignore[arg-type]

    with pytest.raises(ContractViolation) as refused:
        validation.check([table], catalog.vocabulary())

    assert str(refused.value).startswith("agg_made: ") and fault in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_fault_of_every_table_is_said_at_once() -> None:
    tables = [dataclasses.replace(RIGHT, key=("viewer_id", "day")), dataclasses.replace(RIGHT, cluster=("day",))]

    with pytest.raises(ContractViolation) as refused:
        validation.check(tables, catalog.vocabulary())

    assert len(str(refused.value).splitlines()) == 4  # three columns, and one name of two tables


def test_the_contract_that_is_changed_here_has_no_fault() -> None:
    validation.check([RIGHT], catalog.vocabulary())


def test_a_column_defined_twice_is_refused() -> None:
    with pytest.raises(ContractViolation, match="post_id is defined twice"):
        Vocabulary(columns["post_id"], columns["post_id"])


def test_a_column_that_nobody_defined_is_refused() -> None:
    with pytest.raises(ContractViolation, match="no column 'colour'"):
        columns("colour")
