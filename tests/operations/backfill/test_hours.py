"""Which hours are missing or failed, by the ledger rows of sharded and unsharded runs."""

from __future__ import annotations

import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from support.local_lake import START

from etl import catalog
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.engine.state.shards import Shard
from etl.operations.backfill.hours import LakeHours

HOUR = timedelta(hours=1)
FACTS = catalog.entry("fct_ad_clicks").table
BEFORE = FACTS.inputs[0].table


class InMemoryLedger(Ledger):
    """A ledger in memory."""

    def __init__(self, *entries: Entry) -> None:
        self.lock = threading.RLock()
        self._entries, self._by_table, self._ids, self._unwritten, self._latest = [], {}, {}, [], START
        for of in entries:
            self._keep(of)


def entry(second: int, shard: Shard | None = None, **fields: Any) -> Entry:
    """A ledger row of the fact for the first hour."""
    of: dict[str, Any] = {"shard_number": shard.number, "shard_count": shard.count} if shard else {}
    fields = {"table_name": FACTS.name, "processed_hours": [START]} | fields
    return Entry("run", started_at=START + timedelta(seconds=second), **of, **fields)


def hours(*entries: Entry) -> LakeHours:
    """Hours of a lake in which the input has a row in the first hour and the fact has none."""
    there = {"hour": START, "row_count": 1, "checksum": "1-1"}
    made = entry(0, table_name=BEFORE.name, published_hours=[there])
    found = LakeHours(cast(Any, SimpleNamespace(ledger=InMemoryLedger(made, *entries))))
    found._live = {FACTS.name: {}} | {i.table.name: {} for i in FACTS.inputs}
    return found


def test_an_hour_that_every_shard_processed_without_rows_is_not_missing() -> None:
    first, second = Shard(1, 2), Shard(2, 2)
    assert hours(entry(1, first)).chosen(FACTS, "missing") == {START}
    assert hours(entry(1, first), entry(2, second)).chosen(FACTS, "missing") == set()


def test_an_hour_that_one_shard_failed_stays_failed_when_another_passes() -> None:
    first, second = Shard(1, 2), Shard(2, 2)
    failed = entry(1, first, verdict="failed")
    assert hours(failed, entry(2, second)).chosen(FACTS, "failed") == {START}
    assert hours(failed, entry(2, first)).chosen(FACTS, "failed") == set()
    assert hours(failed, entry(2)).chosen(FACTS, "failed") == set()
