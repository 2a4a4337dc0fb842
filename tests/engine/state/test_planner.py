"""The planner: which hours are due, as tables of ledger rows and contracts. Each row of the ledger is one run."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from support.rows import at

from etl.engine.state import planner
from etl.engine.state.entry import DAMAGED, TO_BE_READ, WITHOUT_FILES, Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.engine.state.ledger import Ledger
from etl.engine.state.shards import Shard
from etl.model.contract import Event, Input, InsertNew, Layer, Replace, Scd2, Table

NINE, TEN, ELEVEN = at("09:00"), at("10:00"), at("11:00")
BRONZE = Table("bronze", Layer.BRONZE, (), (), Replace(), "content", ("landed_hour",), event=Event("shares", ()))
DIM = Table("dim", Layer.DIMS, (), ("id",), Scd2(("id",), ()), "content", inputs=(Input(BRONZE),))
FACT = Table("fact", Layer.FACTS, (), ("id",), InsertNew(), "content", ("hour",), inputs=(Input(BRONZE),))
ROLLUP = Table("rollup", Layer.ROLLUPS, (), ("id",), Replace(), "content", ("hour",), inputs=(Input(FACT),))
DAILY = replace(ROLLUP, name="daily", partition=("day",))
TRAILING = replace(ROLLUP, name="trailing", inputs=(Input(FACT, behind_hours=1),))
DATED = replace(ROLLUP, name="dated", inputs=(Input(FACT), Input(DIM, as_of=True)))


@pytest.fixture
def ledger() -> Ledger:
    """An empty ledger in memory."""
    return InMemoryLedger()


def published(ledger: Ledger, table: Table, version: int, *hours: datetime, **fields: Any) -> None:
    """A run published these hours of a table in a version."""
    column = planner.FOLLOWING if isinstance(table.write, Scd2) else table.hour
    changed: dict[str, Any] = {"affected_hours": {column: list(hours)}, "output_version": version}
    ledger.append(Entry("run", table.name, ledger.now(), **(changed | fields)))


def made(ledger: Ledger, table: Table, versions: dict[str, int], *hours: datetime, **fields: Any) -> None:
    """A run made these hours of a table from these versions of its inputs."""
    entry = Entry("run", table.name, ledger.now(), processed_hours=list(hours), input_versions=versions)
    ledger.append(replace(entry, **fields))


@pytest.mark.parametrize(("table", "changed", "due"), [
    (ROLLUP, [TEN], [TEN]),
    (ROLLUP, [ELEVEN, NINE], [NINE, ELEVEN]),
    (DAILY, [TEN, ELEVEN], [at("00:00")]),
    (TRAILING, [TEN], [TEN, ELEVEN]),
    (ROLLUP, [planner.LAST.replace(year=9000)], []),
], ids=["hour", "oldest first", "day", "reads one hour behind", "an hour that cannot be due"])  # fmt: skip
def test_an_hour_is_due_when_an_input_that_it_reads_was_published(
    ledger: Ledger, table: Table, changed: list[datetime], due: list[datetime]
) -> None:
    published(ledger, FACT, 1, *changed)
    assert planner.due(ledger, table, None) == due


@pytest.mark.parametrize(("read", "due"), [(4, [TEN]), (5, []), (6, [])], ids=["older", "same", "newer"])
def test_an_hour_is_due_until_the_latest_version_of_its_input_was_read(
    ledger: Ledger, read: int, due: list[datetime]
) -> None:
    published(ledger, FACT, 5, TEN)
    made(ledger, ROLLUP, {"fact": read}, TEN)
    assert planner.due(ledger, ROLLUP, None) == due


@pytest.mark.parametrize(("table", "source", "due"), [
    (FACT, BRONZE, [TEN]),
    (DIM, BRONZE, [TEN]),
    (ROLLUP, FACT, [NINE, TEN]),
], ids=["fact", "dimension", "rollup"])  # fmt: skip
def test_the_interval_limits_only_tables_that_count_landed_hours(
    ledger: Ledger, table: Table, source: Table, due: list[datetime]
) -> None:
    """A late-arriving record of an earlier hour must reach the rollup of that hour in the same run."""
    published(ledger, source, 1, NINE, TEN)
    assert planner.due(ledger, table, (TEN, ELEVEN)) == due


@pytest.mark.parametrize(("since", "due"), [(NINE, [TEN, ELEVEN]), (ELEVEN, [ELEVEN]), (at("12:00"), [])])
def test_a_change_of_a_dimension_makes_the_hours_from_its_valid_from_due(
    ledger: Ledger, since: datetime, due: list[datetime]
) -> None:
    made(ledger, DATED, {"fact": 1, "dim": 1}, TEN, ELEVEN)
    published(ledger, DIM, 2, since)
    assert planner.due(ledger, DATED, None) == due


def test_a_publish_of_a_shard_counts_only_for_its_people(ledger: Ledger) -> None:
    published(ledger, FACT, 1, TEN, shard_number=1, shard_count=2)
    assert planner.due(ledger, ROLLUP, None, Shard(1, 2)) == [TEN]
    assert planner.due(ledger, ROLLUP, None, Shard(2, 2)) == []


def test_a_correction_in_a_shard_counts_for_all_people(ledger: Ledger) -> None:
    """The replaced row may have named a person of the other shard."""
    published(ledger, FACT, 1, TEN, shard_number=1, shard_count=2, corrections=1)
    assert planner.due(ledger, ROLLUP, None, Shard(2, 2)) == [TEN]


@pytest.mark.parametrize(("shards", "due"), [([1], [TEN]), ([1, 2], [])], ids=["one of two", "both"])
def test_an_hour_is_complete_when_every_shard_made_it(ledger: Ledger, shards: list[int], due: list[datetime]) -> None:
    published(ledger, BRONZE, 1, TEN)
    for number in shards:
        made(ledger, FACT, {"bronze": 1}, TEN, shard_number=number, shard_count=2)
    assert planner.due(ledger, FACT, None) == due


def test_the_hours_of_a_recreated_table_are_due_in_any_interval(ledger: Ledger) -> None:
    published(ledger, BRONZE, 1, NINE, TEN)
    made(ledger, FACT, {"bronze": 1}, NINE, TEN, table_id="old")
    assert planner.due(ledger, FACT, None) == []
    ledger.append(Entry("run", FACT.name, ledger.now(), table_id="new"))
    assert planner.due(ledger, FACT, (TEN, ELEVEN)) == [NINE, TEN]
    assert planner.missing_hours(ledger, FACT) == [NINE, TEN]


def test_a_recreated_input_makes_the_hours_that_read_it_due_again(ledger: Ledger) -> None:
    """Version 1 of the new table is later than version 9 of the old one."""
    published(ledger, BRONZE, 9, TEN, table_id="old")
    made(ledger, FACT, {"bronze": 9}, TEN, input_ids={"bronze": "old"})
    published(ledger, BRONZE, 1, TEN, table_id="new")
    assert planner.due(ledger, FACT, None) == [TEN]


def test_the_missing_hours_of_a_bronze_table_are_those_still_to_be_read_again(ledger: Ledger) -> None:
    fingerprints = {NINE.isoformat(): WITHOUT_FILES, TEN.isoformat(): TO_BE_READ, ELEVEN.isoformat(): "1a2b"}
    ledger.append(Entry("run", BRONZE.name, ledger.now(), fingerprints=fingerprints))
    assert planner.missing_hours(ledger, BRONZE) == [TEN]


@pytest.mark.parametrize(
    ("table", "source", "due"), [(ROLLUP, FACT, [TEN]), (FACT, BRONZE, [])], ids=["rollup", "fact"]
)
def test_damaged_hours_are_due_except_those_of_a_fact(
    ledger: Ledger, table: Table, source: Table, due: list[datetime]
) -> None:
    """A run only adds rows to a fact; a backfill makes its damaged hours again."""
    published(ledger, source, 1, TEN)
    made(ledger, table, {source.name: 1}, TEN)
    ledger.append(Entry("check", table.name, ledger.now(), affected_hours={DAMAGED: [TEN]}))
    assert planner.due(ledger, table, None) == due


@pytest.mark.parametrize(("table", "due"), [(ROLLUP, [TEN, ELEVEN]), (TRAILING, [ELEVEN, at("12:00")])])
def test_hours_whose_inputs_retention_removed_are_never_due(ledger: Ledger, table: Table, due: list[datetime]) -> None:
    """The fact is kept from 10:00. An hour that also reads one hour behind cannot be made from 10:00 alone."""
    published(ledger, FACT, 1, NINE, TEN, ELEVEN)
    ledger.append(Entry("retention", FACT.name, ledger.now(), kept_from=TEN))
    assert planner.due(ledger, table, None) == due
