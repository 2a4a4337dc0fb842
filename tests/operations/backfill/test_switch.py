"""Which version of an input counts as read when a staged hour is switched over."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support import toy_chain
from support.local_lake import START

from etl import catalog
from etl.engine.state.entry import Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.model.contract import Input
from etl.operations.backfill import switch
from etl.operations.backfill.staging import LIVE

HOUR = timedelta(hours=1)
ROLLUP = catalog.entry("agg_post_engagement_hourly").table
SOURCE = ROLLUP.inputs[0]
NAME = SOURCE.table.name
BACKFILL, OTHER_RUN = "backfill-1", "run-1"


def publish(run_id: str, version: int, hour: datetime = START, table_id: str = "table-1") -> Entry:
    """A ledger row of a run that changed an hour of the input."""
    changed = {SOURCE.by or SOURCE.table.hour: [hour]}
    at = START + timedelta(seconds=version)
    return Entry(run_id, NAME, at, output_version=version, affected_hours=changed, table_id=table_id)


def version_read(*later: Entry, rebuilds_input: bool = True, source: Input = SOURCE) -> int:
    """The version that counts as read when staging read version 3 and these publishes came later."""
    key = LIVE + NAME if rebuilds_input else NAME
    built = Entry(BACKFILL, ROLLUP.name, START, input_versions={key: 3}, input_ids={key: "table-1"})
    rebuilt = [NAME, ROLLUP.name] if rebuilds_input else [ROLLUP.name]
    live = SimpleNamespace(ledger=InMemoryLedger(publish(OTHER_RUN, 3), *later))
    staging = SimpleNamespace(live=live, backfill=SimpleNamespace(id=BACKFILL, hours=dict.fromkeys(rebuilt)))
    return switch._version_read(cast(Any, staging), source, ROLLUP, START, built)


def test_an_input_that_the_backfill_does_not_rebuild_counts_in_the_version_that_staging_read() -> None:
    assert version_read(publish(OTHER_RUN, 4), rebuilds_input=False) == 3


def test_the_switch_of_an_input_by_the_same_backfill_counts_as_read() -> None:
    assert version_read(publish(BACKFILL, 4), publish(BACKFILL, 5)) == 5


@pytest.mark.parametrize(("hour", "expected"), [(START, 3), (START + HOUR, 4)])
def test_a_change_by_another_run_counts_as_not_read_when_it_affects_the_hour(hour: datetime, expected: int) -> None:
    assert version_read(publish(BACKFILL, 4), publish(OTHER_RUN, 5, hour)) == expected


@pytest.mark.parametrize(("behind", "expected"), [(1, 3), (0, 4)], ids=["reads one hour behind", "reads its own hour"])
def test_a_change_of_an_hour_behind_counts_when_the_table_reads_it(behind: int, expected: int) -> None:
    """Another run changed the hour before. Its change is not in the staged rows, so the hour must stay due."""
    source = Input(SOURCE.table, behind_hours=behind)
    assert version_read(publish(BACKFILL, 4), publish(OTHER_RUN, 5, START - HOUR), source=source) == expected


def test_the_switch_of_the_previous_day_of_a_chain_counts_as_read() -> None:
    """Version 4 switched day 1, version 5 day 2. Day 2 read day 1, and day 3 read day 2."""
    later = [_day_switched(4, 1), _day_switched(5, 2)]
    name = toy_chain.TABLE.name
    live = SimpleNamespace(ledger=InMemoryLedger(*later))
    staging = SimpleNamespace(live=live, backfill=SimpleNamespace(id=BACKFILL, hours={name: []}))
    built = Entry(BACKFILL, name, START, input_versions={LIVE + name: 3}, input_ids={LIVE + name: "table-1"})
    (_, previous_day) = toy_chain.TABLE.sources.values()
    read = [
        switch._version_read(cast(Any, staging), previous_day, toy_chain.TABLE, day, built)
        for day in toy_chain.days(1, 2, 3)
    ]
    assert read == [3, 4, 5]


def _day_switched(version: int, number: int) -> Entry:
    """A ledger row of the switch of a day of the chain."""
    changed = {"day": toy_chain.days(number)}
    at = START + timedelta(seconds=version)
    return Entry(BACKFILL, toy_chain.TABLE.name, at, output_version=version, affected_hours=changed, table_id="table-1")


def test_versions_of_an_input_that_was_created_again_do_not_count() -> None:
    assert version_read(publish(BACKFILL, 4, table_id="table-2")) == 3
