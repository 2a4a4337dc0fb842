"""The order of a backlog, and what a run leaves out: pure functions of contracts and hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from support.rows import at

from etl import catalog
from etl.engine.state import order
from etl.engine.state.order import Selection
from etl.engine.state.recovery_list import FailedHour
from etl.model.contract import Chain, Table
from etl.model.work_class import WorkClass

EIGHT, NINE, TEN = at("08:00"), at("09:00"), at("10:00")
HOURS = [EIGHT, NINE, TEN]


def table(name: str) -> Table:
    return catalog.entry(name).table


FACT, ROLLUP, MART = map(table, ("fct_shares", "agg_post_engagement_hourly", "mart_post_engagement_daily"))


def failed(hour: datetime, name: str = "fct_shares", fingerprint: str = "") -> FailedHour:
    return FailedHour(name, hour, {"r1": hour, "r2": hour, "r3": hour}, fingerprint=fingerprint)


def test_classes_come_in_order_and_what_a_class_reads_comes_with_it() -> None:
    """Billing first, with the impressions that it reads; the rest of ads and of the feed later; every table once."""
    groups = [[t.name for t in group] for group in order.groups(catalog.tables())]
    billing, attribution, rollups, marts, reports = groups
    assert billing[-1] == "rec_spend_daily"
    assert {"bronze_ad_impressions", "fct_ad_impressions", "fct_spend_ledger"} < set(billing)
    assert "fct_ad_clicks" not in billing
    assert attribution[-1] == "fct_attributed_conversion"
    assert "agg_ad_clicks" in rollups
    assert {"mart_campaign_daily", "mart_user_affinity_daily"} < set(marts)
    assert reports == ["quarantine", "agg_ingest_hourly"]
    assert sorted(name for group in groups for name in group) == sorted(t.name for t in catalog.tables())


@pytest.mark.parametrize("names", [["mart_post_engagement_daily"], ["fct_shares", "bronze_shares"], ["dim_posts"]])
def test_only_chosen_tables_are_made(names: list[str]) -> None:
    chosen = [table(name) for name in names]
    assert sorted(t.name for group in order.groups(chosen) for t in group) == sorted(names)


def test_in_every_group_inputs_come_first() -> None:
    made: list[str] = []
    for group in order.groups(catalog.tables()):
        for each in group:
            assert set(catalog.reads(each)) <= set(made), each.name
            made.append(each.name)


def test_critical_tables_leave_out_marts_and_reports() -> None:
    left_out = {t.name for t in catalog.tables()} - {t.name for t in order.critical(catalog.tables())}
    assert {"mart_campaign_daily", "agg_ingest_hourly"} < left_out
    assert not left_out & {"rec_spend_daily", "fct_attributed_conversion", "agg_ad_clicks", "fct_shares", "dim_posts"}


@pytest.mark.parametrize(("contract", "hours"), [
    (FACT, [EIGHT, NINE, TEN]),
    (replace(FACT, freshness="serving"), [TEN, NINE, EIGHT]),
    (replace(FACT, freshness="serving", oldest_first=True), [EIGHT, NINE, TEN]),
    (replace(FACT, freshness="serving", chain=Chain(1)), [EIGHT, NINE, TEN]),
], ids=["by default", "serving", "serving and locked", "a chain"])  # fmt: skip
def test_the_newest_hour_comes_first_only_where_it_serves_readers(contract: Table, hours: list[datetime]) -> None:
    assert order.sort_hours(contract, [NINE, TEN, EIGHT]) == hours


@pytest.mark.parametrize(("contract", "made"), [
    (FACT, [EIGHT, TEN]),
    (replace(FACT, oldest_first=True), [EIGHT]),
], ids=["others go on", "later hours wait"])  # fmt: skip
def test_an_hour_of_the_recovery_list_is_left_out(contract: Table, made: list[datetime]) -> None:
    assert Selection({"fct_shares": {NINE: failed(NINE)}}).allowed(contract, HOURS) == made


def test_it_holds_up_only_what_reads_it() -> None:
    """The rollup of the hour waits; its other hours, the day and other tables do not."""
    selection = Selection(not_made={"fct_impressions": {NINE}})
    assert selection.allowed(ROLLUP, HOURS) == [EIGHT, TEN]
    assert selection.allowed(table("agg_ingest_hourly"), HOURS) == HOURS
    assert selection.allowed(table("mart_ranker_viewer_daily"), [at("00:00")]) == [at("00:00")]


@pytest.mark.parametrize(("landed", "made"), [("old", [EIGHT, TEN]), ("new", HOURS)])
def test_landing_accepts_an_hour_whose_files_changed(landed: str, made: list[datetime]) -> None:
    bronze = table("bronze_shares")
    selection = Selection({"bronze_shares": {NINE: failed(NINE, "bronze_shares", "old")}})
    assert selection.allowed(bronze, HOURS, {NINE: landed}) == made


def test_a_run_tries_the_last_hour_of_its_interval_whatever_is_on_the_list() -> None:
    listed = {"fct_shares": {NINE: failed(NINE), TEN: failed(TEN)}, MART.name: {at("00:00"): failed(at("00:00"))}}
    assert order.held_in(listed, TEN) == {"fct_shares": {NINE: failed(NINE)}}
    assert order.held_in(listed, at("10:00", 2)) == listed


def test_classes_are_critical_up_to_rollups() -> None:
    assert [c.name for c in WorkClass if c.is_critical] == ["BILLING", "ATTRIBUTION", "ROLLUPS"]
