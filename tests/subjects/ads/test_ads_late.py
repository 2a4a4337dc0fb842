"""Late conversions: until its day is locked one restates that day and no other; after that it is only kept."""

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
from etl.engine.jobs.runner import Summary
from etl.engine.sql import views
from etl.subjects.ads.simulate import AdsScenario, simulate_ads

HOUR, MS = timedelta(hours=1), timedelta(milliseconds=1)


@pytest.fixture
def ads(spark: SparkSession, settings: Settings) -> Simulated:
    """An hour of ads, and nothing for ten days after."""
    landing = Path(settings.landing)
    simulate_ads(landing, AdsScenario(ADS_START, ADS_START + HOUR, 300, 7, repeat_share=0))
    summary = runner.run(spark, settings, ADS_START, ADS_START + HOUR)
    assert not summary.errors, summary.errors
    return Simulated(landing, Path(settings.lake), settings, summary)


def clicked(ads: Simulated) -> Row:
    """A valid click of an advertiser in UTC, with credit for a week."""
    return next(r for r in expected(ads.landing, "fct_ad_clicks") if r["is_valid"] and r["time_zone"] == "UTC")


def told(spark: SparkSession, ads: Simulated, number: int, click: Row, received: datetime) -> Summary:
    """A conversion a second after a click lands when word of it comes, and that hour is run."""
    when = datetime.fromisoformat(click["click_ts"]) + timedelta(seconds=1)
    row = {
        "conversion_id": number, "user_id": click["user_id"], "conversion_ts": when.isoformat(), "value_usd": 1.5,
        "received_ts": received.isoformat(),
    }  # fmt: skip
    hour = received.replace(minute=0, second=0, microsecond=0)
    landed(ads, "conversions", hour, row)
    return runner.run(spark, ads.settings, hour, hour + HOUR)


def restated(summary: Summary, table: str) -> list[str]:
    """The days of a table that a run changed."""
    assert not summary.errors
    return [f"{h['hour']:%Y-%m-%d}" for e in summary.entries if e.table_name == table for h in e.published_hours]


def landed(ads: Simulated, event: str, hour: datetime, row: Row) -> None:
    """A record in a file of its own."""
    file = ads.landing / event / f"hour={hour:%Y-%m-%dT%H}" / "late.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(row) + "\n")


@pytest.mark.slow
def test_an_event_that_lands_late_changes_its_session_and_no_other(spark: SparkSession, ads: Simulated) -> None:
    """A second after the session began, landed two hours later."""
    table = views.uri(ads.settings, catalog.entry("fct_user_session").table)
    before = {(row.user_id, row.session_id): row for row in delta.read(spark, table).collect()}
    whose, old = min(before.items(), key=lambda item: item[1].session_start)
    began = old.session_start.astimezone(UTC) + timedelta(seconds=1)
    late = {"user_id": whose[0], "session_id": whose[1], "event_name": "click", "event_ts": began.isoformat()}
    hour = ADS_START + 2 * HOUR
    landed(ads, "page_events", hour, late)

    assert not runner.run(spark, ads.settings, hour, hour + HOUR).errors

    after = {(row.user_id, row.session_id): row for row in delta.read(spark, table).collect()}
    assert {key for key in before | after if before.get(key) != after.get(key)} == {whose}
    assert (after[whose].page_events, after[whose].clicks) == (old.page_events + 1, old.clicks + 1)


def test_a_conversion_restates_its_day_until_the_lock_and_nothing_after(spark: SparkSession, ads: Simulated) -> None:
    click = clicked(ads)
    lock = datetime.fromisoformat(f"{click['local_day']}T00:00:00+00:00") + timedelta(days=8)

    in_time = told(spark, ads, 1, click, lock - MS)
    too_late = told(spark, ads, 2, click, lock)

    assert restated(in_time, "mart_campaign_daily") == [click["local_day"]]
    assert restated(too_late, "mart_campaign_daily") == []
    facts = delta.read(spark, views.uri(ads.settings, catalog.entry("fct_attributed_conversion").table))
    kept = facts.where("conversion_id IN (1, 2)").orderBy("conversion_id").collect()
    assert [(row.attribution, row.is_in_time) for row in kept] == [("click", True), ("click", False)]
