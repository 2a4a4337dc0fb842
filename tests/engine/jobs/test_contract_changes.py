"""What a changed contract asks of a table: what is safe, and the way of what is not. No Spark is needed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pyspark.sql.types import StructField, StructType, _parse_datatype_json_string

from etl.engine.delta import typed_checksums
from etl.engine.delta.tables import HISTORY_PROPERTIES, Metadata
from etl.engine.jobs import contract_changes, type_changes
from etl.engine.jobs.contract_changes import Change
from etl.model import limits
from etl.model.contract import Column, Event, InsertNew, Layer, Replace, Table

KINDS = {
    "BIGINT": "long",
    "INT": "integer",
    "SMALLINT": "short",
    "STRING": "string",
    "DATE": "date",
    "DOUBLE": "double",
}
TOY = Table(
    "toy",
    Layer.FACTS,
    (
        Column("toy_id", "BIGINT", "A toy"),
        Column("color", "STRING", "Its color", values=("red", "blue")),
        Column("price", "DECIMAL(6,2)", "What it costs", low=0, high=100, nullable=True),
        Column("pieces", "INT", "Its parts"),
        Column("day", "DATE", "The day it was made"),
    ),
    key=("toy_id", "day"),
    write=InsertNew(dedup_window_days=8),
    owner="toys",
    partition=("day",),
)


def schema(table: Table) -> StructType:
    """The columns of a contract, as the log of a table has them."""
    fields = []
    for c in table.columns:
        kind = KINDS.get(c.type, c.type.lower())
        fields.append(
            StructField(c.name, _parse_datatype_json_string(json.dumps(kind)), c.nullable, {"comment": c.meaning})
        )
    return StructType(fields)


def lake(table: Table = TOY, **properties: str) -> Metadata:
    """The table in a lake that has its contract."""
    given = HISTORY_PROPERTIES | limits.as_properties(limits.of(table)) | properties
    return Metadata(schema(table), table.partition, given)


def due(table: Table, found: Metadata | None = None) -> list[Change]:
    wanted = HISTORY_PROPERTIES | limits.as_properties(limits.of(table))
    return contract_changes.changes(table, found or lake(), wanted, schema(table))


def with_column(column: str, **changed: Any) -> Table:
    columns = tuple(replace(c, **changed) if c.name == column else c for c in TOY.columns)
    return replace(TOY, columns=columns)


def adding(column: Column, at: int = 5) -> Table:
    return replace(TOY, columns=(*TOY.columns[:at], column, *TOY.columns[at:]))


NOTE = "note the columns that earlier checksums cover"
MATERIAL = Column("material", "STRING", "What it's made of", nullable=True)
SAFE = {
    "a column": (adding(MATERIAL, 1), [NOTE, "add the column material STRING"]),
    "a wider integer": (
        with_column("pieces", type="BIGINT"),
        [NOTE, "allow wider types", "change the type of pieces from int to bigint"],
    ),
    "a wider decimal": (
        with_column("price", type="DECIMAL(10,4)"),
        [NOTE, "allow wider types", "change the type of price from decimal(6,2) to decimal(10,4)"],
    ),
    "NULL": (with_column("pieces", nullable=True), [NOTE, "allow NULL in pieces"]),
    "a comment": (with_column("price", meaning="In dollars"), ["change the comment of price"]),
    "an order": (
        replace(TOY, columns=(TOY.columns[3], *TOY.columns[:3], TOY.columns[4])),
        [NOTE, "move the column pieces"],
    ),
    "a value": (
        with_column("color", values=("red", "blue", "pink")),
        ["change the limits of color from red, blue to red, blue, pink"],
    ),
    "any value": (with_column("color", values=()), ["change the limits of color from red, blue to none"]),
    "a range": (with_column("price", high=500), ["change the limits of price from 0 to 100 to 0 to 500"]),
    "a window": (
        replace(TOY, write=InsertNew(dedup_window_days=30)),
        ["change the deduplication window from 8 to 30 days"],
    ),
}


@pytest.mark.parametrize("table, expected", SAFE.values(), ids=SAFE)
def test_a_safe_change_is_applied(table: Table, expected: list[str]) -> None:
    found = due(table)
    assert [change.what for change in found] == expected
    assert all(change.is_safe for change in found)


UNSAFE = {
    "a dropped column": (replace(TOY, columns=TOY.columns[:3] + TOY.columns[4:]), "--from-version v2"),
    "a narrower integer": (with_column("pieces", type="SMALLINT"), "--from-version v2"),
    "a narrower decimal": (with_column("price", type="DECIMAL(6,3)"), "--from-version v2"),
    "another type": (with_column("color", type="BIGINT"), "--from-version v2"),
    "a new column without NULL": (adding(replace(MATERIAL, nullable=False)), "Let it be nullable"),
    "another key": (replace(TOY, key=("toy_id", "color", "day")), "backfill run --table toy_v2"),
    "another partition": (replace(TOY, partition=("color", "day")), "backfill run --table toy_v2"),
    "no more NULL": (with_column("price", nullable=False), "the suite of toy"),
    "fewer values": (with_column("color", values=("red",)), "the suite of toy"),
    "a narrower range": (with_column("price", low=1), "the suite of toy"),
    "a shorter window": (replace(TOY, write=InsertNew(dedup_window_days=1)), "the suite of toy"),
}  # fmt: skip


@pytest.mark.parametrize("table, way", UNSAFE.values(), ids=UNSAFE)
def test_an_unsafe_change_is_refused_with_its_way(table: Table, way: str) -> None:
    found = due(table)
    assert len(found) == 1 and not found[0].is_safe and way in found[0].way
    assert str(found[0]).startswith("toy: ") and "refused. " in str(found[0]) and "\n" not in str(found[0])


def test_a_renamed_column_is_a_dropped_one_and_a_new_one() -> None:
    table = with_column("price", name="cost")
    found = due(table)
    assert [c.what for c in found if not c.is_safe] == ["drop or rename the column price"]


def test_the_lateness_limit_of_an_event_may_only_grow() -> None:
    def bronze(days: int | None) -> Table:
        event = Event("toys", TOY.columns, times=(("made_ts", "lateness"),), lateness_days=days)
        return replace(TOY, layer=Layer.BRONZE, write=Replace(), event=event)

    wider = due(bronze(30), lake(bronze(None)))
    narrower = due(bronze(None), lake(bronze(30)))
    assert [(c.what, c.is_safe) for c in wider] == [("change the lateness limit from 7 to 30 days", True)]
    assert [(c.what, c.is_safe) for c in narrower] == [("change the lateness limit from 30 to 7 days", False)]


def test_a_table_that_is_as_its_contract_says_needs_nothing() -> None:
    assert due(TOY) == []


def test_a_table_of_an_earlier_release_gets_the_limits_of_its_contract() -> None:
    old = Metadata(schema(TOY), TOY.partition, dict(HISTORY_PROPERTIES))
    assert [change.what for change in due(TOY, old)] == ["note the key and the limits"]


def test_a_table_of_an_earlier_release_does_not_get_a_new_key() -> None:
    old = Metadata(schema(TOY), TOY.partition, HISTORY_PROPERTIES | {"delta.dataSkippingStatsColumns": "toy_id"})
    (refused,) = due(replace(TOY, key=("toy_id", "pieces", "day")), old)
    assert refused.what == "use the key toy_id, pieces, day" and not refused.is_safe


def test_columns_are_noted_once() -> None:
    noted = lake(TOY, **{typed_checksums.COLUMNS: "`toy_id` bigint", type_changes.WIDENING: "true"})
    (change,) = due(with_column("pieces", type="BIGINT"), noted)
    assert change.statement == "ALTER COLUMN `pieces` TYPE bigint"


def test_moves_count_with_the_new_columns() -> None:
    """The lake has (a, b), the contract (b, x, a): x follows b, and both come before a."""
    a, b, x = (Column(name, "INT", name, nullable=True) for name in "abx")
    old, new = (replace(TOY, columns=columns, key=(), partition=(), write=Replace()) for columns in ((a, b), (b, x, a)))
    order = [f.name for f in schema(old).fields]
    for change in due(new, lake(old)):
        if change.names:
            (name,) = change.names
            if name in order:
                order.remove(name)
            after = change.statement.rpartition("AFTER `")[2].rstrip("`)")
            order.insert(order.index(after) + 1 if "AFTER" in change.statement else 0, name)
    assert order == ["b", "x", "a"]
