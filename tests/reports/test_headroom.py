"""Headroom, as rows of the ledger: which table needs more than an hour first when there are more rows."""

from __future__ import annotations

import pytest
from support.rows import at

from etl.engine.state.entry import Entry
from etl.reports import headroom


def ran(table: str, rows: int, seconds: float, hours: int = 1) -> Entry:
    """A run that wrote rows of some hours."""
    entry = Entry("run", table, at("12:00"), rows_written=rows, seconds=seconds)
    entry.processed_hours = [at(f"{hour:02}:00") for hour in range(hours)]
    return entry


def test_the_fixed_part_does_not_grow_with_rows() -> None:
    """10 s and 1 ms per row: at ten times the busiest hour 10 + 400 s."""
    (found,) = headroom.of_ledger([ran("fct_shares", rows, 10 + rows / 1000) for rows in (1000, 20_000, 40_000)])
    assert (found.rows, found.fixed, found.seconds) == (40_000, pytest.approx(10), pytest.approx(50))
    assert found.at(10) == pytest.approx(410)
    assert found.limit == pytest.approx(3590 / 40)


def test_runs_of_one_size_count_as_growing_with_rows() -> None:
    (found,) = headroom.of_ledger([ran("fct_shares", 1000, 30), ran("fct_shares", 1100, 34)])
    assert (found.fixed, found.at(10)) == (0, 320)


def test_a_run_of_several_hours_counts_per_hour() -> None:
    (found,) = headroom.of_ledger([ran("fct_shares", 4000, 40, hours=4)])
    assert (found.rows, found.seconds) == (1000, 10)


def test_the_table_with_least_headroom_comes_first_and_others_do_not_count() -> None:
    failed = ran("fct_engagements", 10, 5000)
    failed.verdict = "failed"
    entries = [ran("dim_posts", 100, 1), ran("fct_shares", 100, 500), failed, ran("fct_impressions", 0, 5)]
    assert [each.table.name for each in headroom.of_ledger(entries)] == ["fct_shares", "dim_posts"]


def test_a_fit_that_makes_no_sense_is_not_used() -> None:
    """The large run was faster, by chance: nothing is known of a fixed part."""
    (found,) = headroom.of_ledger([ran("fct_shares", 1000, 50), ran("fct_shares", 9000, 40)])
    assert (found.fixed, found.seconds, found.limit) == (0, 40, 90)
