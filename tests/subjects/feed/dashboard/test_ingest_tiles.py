"""The ingest tiles of the feed: partition skew, and heartbeats that collapse to rows of dwell."""

from __future__ import annotations

import dataclasses

from reports.test_operations import entry
from support import made_up
from support.rows import at

from etl.engine.state.entry import Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.reports import operations
from etl.reports.tile import Tile
from etl.subjects.feed.dashboard import heartbeats, tiles

TEN, ELEVEN, NOON = at("10:00"), at("11:00"), at("12:00")


def test_skew_of_few_rows_raises_no_alarm() -> None:
    """Three rows in two tasks have a skew of at least 1.3. The tile says that the rows are too few."""
    few = entry("fct_shares", TEN, metrics={"skew": 2.0, "tasks": 2.0}, rows_written=1999)
    many = entry("fct_impressions", TEN, metrics={"skew": 1.2, "tasks": 2.0}, rows_written=2000)

    alone = skew_tile([few])
    assert (alone.state, alone.value) == ("ok", "2.00 \u00d7")
    assert "too few rows (1,999) to tell" in alone.detail
    assert skew_tile([few, many]).value == "1.20 \u00d7"
    uneven = entry("fct_shares", TEN, metrics={"skew": 2.0, "tasks": 2.0}, rows_written=2000)
    assert skew_tile([uneven, many]).state == "alarm"


def skew_tile(entries: list[Entry]) -> Tile:
    shown = dataclasses.replace(made_up.ingest(), skews=operations.skews(entries))
    return next(t for t in tiles.ingest(shown) if t.name == "skew")


def test_heartbeats_collapse_to_the_rows_of_the_table_now() -> None:
    """Rows of an hour that two runs wrote count once. Heartbeats of a failed run are read, but are in no row."""
    state = {"hour": TEN, "row_count": 10, "checksum": "0-0"}
    name = "fct_dwell_per_impression"
    ledger = InMemoryLedger(
        entry(
            name,
            TEN,
            published_hours=[state | {"row_count": 8}],
            records_read=81,
            records_accepted=80,
            records_quarantined=1,
        ),
        entry(name, ELEVEN, published_hours=[state], records_read=20, records_accepted=20),
        entry(name, NOON, verdict="failed", records_read=50, records_accepted=30, records_quarantined=20),
    )

    found = heartbeats.count(ledger, ledger.entries)

    assert (found.read, found.accepted, found.quarantined, found.rows) == (151, 100, 21, 10)
    assert found.collapse == 10
