"""Late hours on the dashboard."""

from __future__ import annotations

from support import made_up
from support.rows import at

from etl.engine.quality import completeness
from etl.engine.quality.completeness import NO_FILES, LandedHour
from etl.engine.state.entry import ERROR, Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.reports import dashboard, late_hours, operations

TEN, NOON = at("10:00"), at("12:00")


def ran(*landed: LandedHour, table: str = "bronze_shares", **given: object) -> Entry:
    entry = Entry("run", table, NOON, TEN, NOON, landed=completeness.as_rows(landed))
    for name, value in given.items():
        setattr(entry, name, value)
    return entry


def test_the_newest_published_run_of_each_hour_in_the_interval_counts() -> None:
    """The result has the events of one subject. An hour before the interval and a rejected run do not count."""
    silent, whole = LandedHour(TEN, 0, 0, 90, NO_FILES), LandedHour(at("11:00"), 1, 88, 90)
    ledger = InMemoryLedger(
        ran(LandedHour(at("09:00"), 0, 0, 90, NO_FILES), silent, LandedHour(whole.hour, 0, 0, 90, NO_FILES)),
        ran(whole),
        ran(LandedHour(TEN, 1, 90, 90), verdict="failed"),
        ran(silent, table="bronze_ad_clicks"),
    )

    found = operations.landed_hours(ledger, (TEN, NOON), "feed")

    assert found["shares"] == {TEN: silent, whole.hour: whole}
    assert "ad_clicks" not in found and found["posts"] == {}
    assert late_hours.late(found) == [("shares", silent)]
    assert operations.late_hours(ledger) == {at("09:00"), TEN}


def test_the_tile_counts_late_hours_and_names_the_newest() -> None:
    tile = late_hours.tile("late", made_up.landed_hours())
    assert (tile.value, tile.state) == ("2", "watch")
    assert tile.detail == "shares 01 Jun 11:00: few records; shares 01 Jun 10:00: no files"
    assert late_hours.tile("late", {"shares": {TEN: LandedHour(TEN, 1, 5)}}).state == "ok"
    assert late_hours.tile("late", {"shares": {}}).state == "none"


def test_the_page_shows_late_hours_under_ingest_and_a_table_with_an_error() -> None:
    found = made_up.made_up()
    gate = next(g for g in found.gates if g.table.name == "dim_posts")
    raised = operations.Gate(gate.table, gate.state, gate.judged, [], "LakeError: dim_posts cannot be read")

    page = dashboard.page(made_up.made_up(gates=[raised]))

    assert page.index('id="ingest"') < page.index("Completeness of landed hours") < page.index('id="safety"')
    assert "LakeError: dim_posts cannot be read" in page


def test_an_error_keeps_the_last_verdict_of_the_gate() -> None:
    """An error is no verdict, so the state of the gate stays that of its last batch."""
    error = Entry("run-2", "fct_shares", at("12:30"), TEN, NOON, verdict=ERROR, reason="LakeError: gone")
    ledger = InMemoryLedger(Entry("run-1", "fct_shares", NOON, TEN, NOON), error)

    (gate,) = [g for g in operations.gates(ledger) if g.table.name == "fct_shares"]

    assert (gate.state, gate.error) == ("passed", "LakeError: gone")
