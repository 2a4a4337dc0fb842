"""Which hours are missing or failed, by the ledger rows of sharded and unsharded runs."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from support import toy_chain
from support.local_lake import START

from etl import catalog
from etl.engine.state.entry import Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.engine.state.shards import Shard
from etl.operations.backfill.hours import LakeHours

HOUR = timedelta(hours=1)
FACTS = catalog.entry("fct_ad_clicks").table
INPUT = FACTS.inputs[0].table


def entry(second: int, shard: Shard | None = None, **fields: Any) -> Entry:
    """A ledger row of the fact for the first hour."""
    shard_fields: dict[str, Any] = {"shard_number": shard.number, "shard_count": shard.count} if shard else {}
    fields = {"table_name": FACTS.name, "processed_hours": [START]} | fields
    return Entry("run", started_at=START + timedelta(seconds=second), **shard_fields, **fields)


def hours(*entries: Entry) -> LakeHours:
    """Hours of a lake in which the input has a row in the first hour and the fact has none."""
    state = {"hour": START, "row_count": 1, "checksum": "1-1"}
    input_entry = entry(0, table_name=INPUT.name, published_hours=[state])
    lake = LakeHours(cast(Any, SimpleNamespace(ledger=InMemoryLedger(input_entry, *entries))))
    lake._live = {table.name: {} for table in (FACTS, *(i.table for i in FACTS.inputs))}
    return lake


def test_an_hour_that_every_shard_processed_without_rows_is_not_missing() -> None:
    first, second = Shard(1, 2), Shard(2, 2)
    assert hours(entry(1, first)).chosen(FACTS, "missing") == {START}
    assert hours(entry(1, first), entry(2, second)).chosen(FACTS, "missing") == set()


def test_the_days_between_two_days_of_a_chain_are_missing_when_no_run_made_them() -> None:
    """Days 1 and 4 are made. The days between follow from day 1, also without input."""
    table, (first, *between, last) = toy_chain.TABLE, toy_chain.days(1, 2, 3, 4)
    made = entry(1, table_name=table.name, processed_hours=[first, last])
    lake = LakeHours(cast(Any, SimpleNamespace(ledger=InMemoryLedger(made))))
    lake._live = {table.name: {first: 1, last: 1}, table.inputs[0].table.name: {}}
    assert lake.chosen(table, "all") == {first, *between, last}
    assert lake.chosen(table, "missing") == set(between)


def test_an_hour_that_one_shard_failed_stays_failed_when_another_passes() -> None:
    first, second = Shard(1, 2), Shard(2, 2)
    failed = entry(1, first, verdict="failed")
    assert hours(failed, entry(2, second)).chosen(FACTS, "failed") == {START}
    assert hours(failed, entry(2, first)).chosen(FACTS, "failed") == set()
    assert hours(failed, entry(2)).chosen(FACTS, "failed") == set()
