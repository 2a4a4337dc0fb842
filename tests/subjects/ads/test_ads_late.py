"""Late-arriving conversions: before the lock of their day they change that day only; after it they change no mart."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.local_lake import ADS_START, Simulated
from support.rows import Row
from support.truth import expected

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from etl.engine.sql import views
from etl.subjects.ads.simulate import AdsScenario, simulate_ads

HOUR, MS = timedelta(hours=1), timedelta(milliseconds=1)


@pytest.fixture
def ads(spark: SparkSession, settings: Settings) -> Simulated:
    """A lake with one hour of ads, and no records for ten days after it."""
    landing = Path(settings.landing)
    simulate_ads(landing, AdsScenario(ADS_START, ADS_START + HOUR, 300, 7, repeat_share=0))
    summary = runner.run(spark, settings, ADS_START, ADS_START + HOUR)
    assert not summary.errors, summary.errors
    return Simulated(landing, Path(settings.lake), settings, summary)


def clicked(ads: Simulated) -> Row:
    """A valid click of an advertiser in UTC with a click window of a week."""
    return next(r for r in expected(ads.landing, "fct_ad_clicks") if r["is_valid"] and r["time_zone"] == "UTC")


def report(spark: SparkSession, ads: Simulated, number: int, click: Row, received: datetime) -> Summary:
    """Land a conversion that happened a second after a click, and run the hour in which it was received."""
    when = datetime.fromisoformat(click["click_ts"]) + timedelta(seconds=1)
    row = {
        "conversion_id": number, "advertiser_id": click["advertiser_id"], "user_id": click["user_id"],
        "conversion_ts": when.isoformat(), "value_usd": 1.5,
        "received_ts": received.isoformat(),
    }  # fmt: skip
    hour = received.replace(minute=0, second=0, microsecond=0)
    land(ads, "conversions", hour, row)
    return runner.run(spark, ads.settings, hour, hour + HOUR)


def changed_days(summary: Summary, table: str) -> list[str]:
    """The days of a table that a run published."""
    assert not summary.errors
    return [f"{h['hour']:%Y-%m-%d}" for e in summary.entries if e.table_name == table for h in e.published_hours]


def land(ads: Simulated, event: str, hour: datetime, row: Row) -> None:
    """Write a record to a new landing file."""
    file = ads.landing / event / f"hour={hour:%Y-%m-%dT%H}" / "late.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(row) + "\n")


@pytest.mark.slow
def test_a_late_arriving_page_event_changes_only_its_own_session(spark: SparkSession, ads: Simulated) -> None:
    """The event happens a second after the start of the session and lands two hours later."""
    table = views.uri(ads.settings, catalog.entry("fct_user_session").table)
    before = {(row.user_id, row.session_id): row for row in delta.read(spark, table).collect()}
    session, old = min(before.items(), key=lambda item: item[1].session_start)
    began = old.session_start.astimezone(UTC) + timedelta(seconds=1)
    late = {"user_id": session[0], "session_id": session[1], "event_name": "click", "event_ts": began.isoformat()}
    hour = ADS_START + 2 * HOUR
    land(ads, "page_events", hour, late)

    assert not runner.run(spark, ads.settings, hour, hour + HOUR).errors

    after = {(row.user_id, row.session_id): row for row in delta.read(spark, table).collect()}
    assert {key for key in before | after if before.get(key) != after.get(key)} == {session}
    assert (after[session].page_events, after[session].clicks) == (old.page_events + 1, old.clicks + 1)


def test_a_conversion_changes_its_day_until_the_lock_and_no_day_after_it(spark: SparkSession, ads: Simulated) -> None:
    click = clicked(ads)
    lock = datetime.fromisoformat(f"{click['local_day']}T00:00:00+00:00") + timedelta(days=8)

    in_time = report(spark, ads, 1, click, lock - MS)
    too_late = report(spark, ads, 2, click, lock)

    assert changed_days(in_time, "mart_campaign_daily") == [click["local_day"]]
    assert changed_days(too_late, "mart_campaign_daily") == []
    facts = delta.read(spark, views.uri(ads.settings, catalog.entry("fct_attributed_conversion").table))
    kept = facts.where("conversion_id IN (1, 2)").orderBy("conversion_id").collect()
    assert [(row.attribution, row.is_in_time) for row in kept] == [("click", True), ("click", False)]
