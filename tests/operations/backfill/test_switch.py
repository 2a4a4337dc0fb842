"""Which version of an input counts as read when a staged hour is switched over."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.in_memory_ledger import InMemoryLedger
from support.local_lake import START

from etl import catalog
from etl.engine.state.entry import Entry
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


def version_read(*later: Entry, rebuilds_input: bool = True) -> int:
    """The version that counts as read when staging read version 3 and these publishes came later."""
    key = LIVE + NAME if rebuilds_input else NAME
    built = Entry(BACKFILL, ROLLUP.name, START, input_versions={key: 3}, input_ids={key: "table-1"})
    rebuilt = [NAME, ROLLUP.name] if rebuilds_input else [ROLLUP.name]
    live = SimpleNamespace(ledger=InMemoryLedger(publish(OTHER_RUN, 3), *later))
    staging = SimpleNamespace(live=live, backfill=SimpleNamespace(id=BACKFILL, hours=dict.fromkeys(rebuilt)))
    return switch._version_read(cast(Any, staging), SOURCE, ROLLUP, START, built)


def test_an_input_that_the_backfill_does_not_rebuild_counts_in_the_version_that_staging_read() -> None:
    assert version_read(publish(OTHER_RUN, 4), rebuilds_input=False) == 3


def test_the_switch_of_an_input_by_the_same_backfill_counts_as_read() -> None:
    assert version_read(publish(BACKFILL, 4), publish(BACKFILL, 5)) == 5


@pytest.mark.parametrize(("hour", "expected"), [(START, 3), (START + HOUR, 4)])
def test_a_change_by_another_run_counts_as_not_read_when_it_affects_the_hour(hour: datetime, expected: int) -> None:
    assert version_read(publish(BACKFILL, 4), publish(OTHER_RUN, 5, hour)) == expected


def test_versions_of_an_input_that_was_created_again_do_not_count() -> None:
    assert version_read(publish(BACKFILL, 4, table_id="table-2")) == 3
