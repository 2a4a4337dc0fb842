"""What the one row keeps that replaces the old ledger rows of a table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from support.local_lake import START

from etl import catalog
from etl.engine.state.entry import Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.operations.maintenance import compact_ledger

HOUR = timedelta(hours=1)
TABLE = catalog.entry("agg_post_engagement_hourly").table
SOURCE = TABLE.inputs[0].table.name


def row(second: int, **fields: Any) -> Entry:
    """A ledger row of the table."""
    defaults: dict[str, Any] = {"table_id": "table-1", "output_version": second}
    return Entry("run", TABLE.name, START + timedelta(seconds=second), **defaults | fields)


def compacted(*rows: Entry) -> Entry:
    return compact_ledger.compact_rows(InMemoryLedger(*rows), list(rows))


def test_the_latest_state_of_each_hour_is_kept() -> None:
    first, second = ({"hour": START, "row_count": rows, "checksum": f"{rows}-1"} for rows in (1, 2))
    other = {"hour": START + HOUR, "row_count": 3, "checksum": "3-1"}
    found = compacted(row(1, published_hours=[first, other]), row(2, published_hours=[second]))
    assert found.published_hours == [second, other]


def test_counts_are_summed_and_the_newest_versions_are_kept() -> None:
    found = compacted(
        row(1, rows_written=2, seconds=1.5, input_versions={SOURCE: 7}),
        row(2, rows_written=3, seconds=0.5, input_versions={SOURCE: 5}),
    )
    assert (found.rows_written, found.seconds, found.output_version) == (5, 2.0, 2)
    assert found.input_versions == {SOURCE: 7}


def test_an_hour_that_retention_removed_is_not_kept() -> None:
    empty = {"hour": START, "row_count": 0, "checksum": "0-0"}
    found = compacted(row(1, published_hours=[empty], kept_from=START + HOUR))
    assert found.published_hours == [] and found.kept_from == START + HOUR


def test_a_failed_run_changes_nothing() -> None:
    found = compacted(row(1, rows_written=2), row(2, rows_written=9, output_version=None, verdict="failed"))
    assert (found.rows_written, found.output_version) == (2, 1)


def test_only_retention_and_logic_of_an_earlier_table_of_the_same_name_are_kept() -> None:
    earlier = row(1, table_id="table-0", rows_written=2, logic_version=2, processed_hours=[START])
    found = compacted(earlier, row(2, rows_written=3, processed_hours=[START + HOUR]))
    assert (found.logic_version, found.rows_written, found.processed_hours) == (2, 3, [START + HOUR])
