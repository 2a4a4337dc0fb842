"""Chains: which days of a table that reads its own previous day are due, as tables of ledger rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.rows import at

from etl.engine.state import chains, planner
from etl.engine.state.entry import DAMAGED, Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.engine.state.ledger import Ledger
from etl.engine.state.shards import person_column
from etl.model.contract import Chain, Column, Input, InsertNew, Layer, Replace, Table

REACH = 3
FACT = Table("fact", Layer.FACTS, (), ("id",), InsertNew(), "content", ("hour",))
CHAIN = Table(
    "chain", Layer.FACTS, (), ("id",), Replace(), "content", ("day",), inputs=(Input(FACT),), chain=Chain(REACH)
)


def day(number: int) -> datetime:
    """A day of June 2026."""
    return at("00:00", number)


def days(*numbers: int) -> list[datetime]:
    return [day(number) for number in numbers]


@dataclass
class Lake:
    """A ledger in memory with one input and one chain, whose versions count up."""

    ledger: Ledger = field(default_factory=InMemoryLedger)
    versions: dict[str, int] = field(default_factory=lambda: {"fact": 0, "chain": 0})

    def input_changed(self, *numbers: int) -> None:
        """A run published these days of the input."""
        self._publish("fact", {"hour": days(*numbers)})

    def made(self, number: int, changed: bool = True, **fields: Any) -> None:
        """A run made a day of the chain from the newest versions; it published the day when that changed."""
        read = dict(self.versions)
        made = {"processed_hours": [day(number)], "input_versions": read} | fields
        if changed:
            self._publish("chain", {"day": [day(number)]}, **made)
        else:
            self.ledger.append(Entry("run", "chain", self.ledger.now(), **made))

    def _publish(self, table: str, affected: dict[str, list[datetime]], **fields: Any) -> None:
        self.versions[table] += 1
        version = self.versions[table]
        changed: dict[str, Any] = {"output_version": version, "affected_hours": affected}
        self.ledger.append(Entry("run", table, self.ledger.now(), **(changed | fields)))

    @property
    def due(self) -> list[int]:
        """The days that are due now."""
        return [each.day for each in planner.due(self.ledger, CHAIN, None)]

    @property
    def next(self) -> tuple[int, int] | None:
        """The day that a run makes next, and the last day that a change of it can reach."""
        assert CHAIN.chain
        step = planner.next_day(self.ledger, CHAIN, CHAIN.chain, after=planner.FIRST)
        return step and (step[0].day, step[1].day)


@pytest.fixture
def lake() -> Lake:
    """Days 1 to 6 have input and are made."""
    made = Lake()
    made.input_changed(*range(1, 7))
    for number in range(1, 7):
        made.made(number)
    return made


def test_all_days_with_input_are_due_and_the_first_one_is_made_first() -> None:
    lake = Lake()
    lake.input_changed(2, 1, 3)
    assert (lake.due, lake.next) == ([1, 2, 3], (1, 1 + REACH))


def test_the_days_between_two_days_with_input_are_due_as_well() -> None:
    """The state of a person changes on a day on which nothing happens, too."""
    lake = Lake()
    lake.input_changed(1, 4)
    assert lake.due == [1, 2, 3, 4]


def test_a_complete_chain_has_no_due_day(lake: Lake) -> None:
    """The publish of the newest day does not make tomorrow due: tomorrow has no input yet."""
    assert (lake.due, lake.next) == ([], None)


def test_a_day_that_changed_makes_the_next_one_due_and_one_that_came_out_equal_does_not(lake: Lake) -> None:
    lake.input_changed(2)
    assert lake.due == [2]
    lake.made(2)
    assert lake.due == [3]
    lake.made(3, changed=False)
    assert lake.due == []


def test_a_change_never_goes_past_the_reach(lake: Lake) -> None:
    """Every day comes out changed. Day 2 can change the days up to 2 + 3."""
    lake.input_changed(2)
    seen = []
    while step := lake.next:
        seen.append(step[0])
        lake.made(step[0], reaches_to=day(step[1]))
    assert seen == [2, 3, 4, 5]


def test_a_day_that_changed_for_its_own_reasons_reaches_further(lake: Lake) -> None:
    """The inputs of days 2 and 4 changed: day 4 counts anew, and reaches day 7, beyond the last day."""
    lake.input_changed(2, 4)
    seen = []
    while step := lake.next:
        seen.append(step)
        lake.made(step[0], reaches_to=day(step[1]))
    assert seen == [(2, 5), (3, 5), (4, 7), (5, 7), (6, 7)]


def test_a_run_that_stops_early_leaves_the_next_day_due_with_its_reach(lake: Lake) -> None:
    """The commit of day 2 carries its ledger row. So a run that is killed right after it has lost nothing."""
    lake.input_changed(2)
    lake.made(2, reaches_to=day(5))
    assert lake.next == (3, 5)


def test_of_two_changes_of_a_day_the_one_that_reaches_further_counts(lake: Lake) -> None:
    """Day 2 changed for its own reasons, and again after day 1, before a run made day 3."""
    lake.made(2, reaches_to=day(5))
    lake.made(2, reaches_to=day(4))
    assert lake.next == (3, 5)


def test_a_late_day_before_the_first_one_fills_the_days_between() -> None:
    """Days 1 and 2 had no input. Day 3 read no previous day before, so it is due when day 2 has changed."""
    lake = Lake()
    lake.input_changed(3)
    lake.made(3)
    lake.input_changed(1)
    assert lake.due == [1, 2]
    lake.made(1)
    lake.made(2)
    assert lake.due == [3]


def test_rewritten_rows_of_erased_people_make_no_later_day_due(lake: Lake) -> None:
    """An erasure removes the rows of a person from every day. It publishes no affected hours."""
    lake._publish("chain", {})
    assert lake.due == []


def test_a_backfilled_day_reaches_as_far_as_a_day_that_changed(lake: Lake) -> None:
    lake.made(2, reaches_to=None)
    assert lake.next == (3, 5)


def test_a_damaged_day_is_due_and_later_days_only_if_it_changes_when_it_is_made_again(lake: Lake) -> None:
    lake.ledger.append(Entry("check", "chain", lake.ledger.now(), affected_hours={DAMAGED: days(3)}))
    assert lake.due == [3]
    lake.made(3, changed=False)
    assert lake.due == []


def test_days_whose_previous_day_retention_removed_are_never_made_again(lake: Lake) -> None:
    """Days from 3 on are kept, so day 3 cannot be made from day 2 again."""
    lake.ledger.append(Entry("retention", "chain", lake.ledger.now(), kept_from=day(3)))
    lake.input_changed(2, 3, 4)
    assert (lake.due, lake.next) == ([4], (4, 7))


def test_all_days_of_a_recreated_chain_are_due(lake: Lake) -> None:
    """The input's ledger rows were compacted: it has changed hours of day 6 only. Days 1 to 5 are still needed."""
    lake.ledger = InMemoryLedger()
    lake.input_changed(6)
    lake.made(1, processed_hours=days(*range(1, 7)), table_id="old")
    lake.ledger.append(Entry("run", "chain", lake.ledger.now(), table_id="new"))
    assert lake.due == [1, 2, 3, 4, 5, 6]


def test_a_table_that_becomes_a_chain_makes_the_days_after_its_first_again() -> None:
    """No day has read a previous day yet."""
    lake = Lake()
    lake.input_changed(1, 2, 3)
    for number in (1, 2, 3):
        lake.made(number, input_versions={"fact": 1})
    assert lake.due == [2, 3]


def test_a_chain_is_not_made_in_shards() -> None:
    """Each person's state depends on the same person only, but the days of a chain follow each other."""
    person = Column("user_id", "BIGINT", "A person", privacy="viewer")
    source = replace(FACT, columns=(person,))
    table = replace(CHAIN, columns=(person,), inputs=(Input(source),))
    assert person_column(replace(table, chain=None)) == "user_id"
    assert person_column(table) is None


class Decay:
    """A chain whose day is the greater of its input and the day before minus one. An input of n reaches n days."""

    def __init__(self) -> None:
        self.lake = Lake()
        self.inputs: dict[int, int] = {}
        self.rows: dict[int, int] = {}

    def value(self, number: int, before: dict[int, int]) -> int:
        return max(self.inputs.get(number, 0), before.get(number - 1, 0) - 1, 0)

    def change(self, changes: dict[int, int]) -> None:
        """Inputs change, in one publish."""
        self.inputs |= changes
        self.lake.input_changed(*changes)

    def run(self, stop_after: int) -> list[int]:
        """Make the due days as a run does, at most some of them. Returns the days made.

        The rows of days that came out equal are in the ledger's memory alone: the stopped run loses them.
        """
        made, unwritten = list[int](), list[Entry]()
        while len(made) < stop_after and (step := self.lake.next):
            changed = self.rows.get(step[0], 0) != (new := self.value(step[0], self.rows))
            self.rows[step[0]] = new
            self.lake.made(step[0], changed, reaches_to=day(step[1]))
            unwritten += [] if changed else self.lake.ledger.entries[-1:]
            made.append(step[0])
        if len(made) == stop_after:
            kept = [entry for entry in self.lake.ledger.entries if entry not in unwritten]
            self.lake.ledger = InMemoryLedger(*kept)
        return made

    def rebuilt(self) -> dict[int, int]:
        """The oracle: every day from the first to the last, one after the other."""
        rows: dict[int, int] = {}
        for number in range(min(self.inputs), max(self.inputs) + 1):
            rows[number] = self.value(number, rows)
        return rows


changes = st.dictionaries(st.integers(1, 14), st.integers(0, REACH), min_size=1, max_size=4)
stops = st.integers(1, 20)


@settings(max_examples=300, deadline=None)
@given(rounds=st.lists(st.tuples(changes, stops), min_size=1, max_size=5))
def test_changes_in_any_order_and_runs_that_stop_anywhere_equal_a_full_rebuild(
    rounds: list[tuple[dict[int, int], int]],
) -> None:
    chain = Decay()
    for changed, stop in rounds:
        chain.change(changed)
        chain.run(stop)
    chain.run(1000)
    assert chain.rows == chain.rebuilt()
    assert chain.lake.due == []


@settings(max_examples=150, deadline=None)
@given(first=changes, late=st.tuples(st.integers(1, 14), st.integers(0, REACH)))
def test_a_late_change_makes_only_the_days_after_a_changed_day_again(
    first: dict[int, int], late: tuple[int, int]
) -> None:
    """The oracle: each day made is the late one, a day that was missing, or the next of a day that changed."""
    chain = Decay()
    chain.change(first)
    chain.run(1000)
    before = dict(chain.rows)
    chain.change(dict([late]))
    for number in chain.run(1000):
        follows_a_change = chain.rows.get(number - 1, 0) != before.get(number - 1, 0)
        assert number == late[0] or number not in before or follows_a_change
        assert number not in before or number <= late[0] + REACH or late[0] not in before


def test_every_day_has_no_gaps() -> None:
    assert sorted(chains.every_day(days(4, 2))) == days(2, 3, 4)
    assert chains.every_day([]) == set()


def test_later_days_are_those_within_the_reach() -> None:
    assert sorted(chains.later_days(Chain(2), days(1, 2))) == days(2, 3, 4)
