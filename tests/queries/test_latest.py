"""`latest`: how far the runs of a subject have got, by the ledger; neither a record nor the wall clock moves it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from pyspark.sql import SparkSession
from support.rows import at, rows

from etl import catalog
from etl.conf import Settings
from etl.engine.landing.arrivals import EMPTY
from etl.engine.sql import views
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.errors import ConfigError, LakeError
from etl.queries import binding, named_query, run

TEN, ELEVEN, TWELVE = (at(f"{hour}:00") for hour in (10, 11, 12))


def ran(table: str, hour: datetime, fingerprint: str = "files", verdict: str = "passed") -> Entry:
    """A run's row of a table that read one landed hour."""
    return Entry(
        "r", table, hour, verdict=verdict, processed_hours=[hour], fingerprints={hour.isoformat(): fingerprint}
    )


def record(spark: SparkSession, settings: Settings, *entries: Entry) -> None:
    """Write rows of the ledger."""
    ledger = Ledger(spark, settings.lake)
    for entry in entries:
        ledger.append(entry)
    ledger.flush()


def test_latest_is_the_end_of_the_newest_landed_hour_that_was_published(
    spark: SparkSession, settings: Settings
) -> None:
    """Not of one that was refused, or in which nothing landed; nor of a subject that is ahead."""
    record(
        spark, settings,
        ran("bronze_shares", TEN), ran("bronze_impressions", ELEVEN), ran("fct_shares", at("20:00")),
        ran("bronze_impressions", TWELVE, verdict="failed"), ran("bronze_engagements", TWELVE, EMPTY),
        ran("bronze_ad_clicks", at("00:00", 2)),
    )  # fmt: skip

    assert binding.latest(spark, settings, "fct_shares") == TWELVE
    assert binding.latest(spark, settings, "rec_spend_daily") == at("01:00", 2)


def test_a_record_of_2062_moves_no_default(spark: SparkSession, settings: Settings) -> None:
    """By the largest day of the table, the last week would be one of 2062, without the difference of today."""
    record(spark, settings, ran("bronze_spend_ledger", TEN))
    table = catalog.entry("rec_spend_daily").table
    days = [{"campaign_id": 10, "day": date(2026, 6, 1)}, {"campaign_id": 11, "day": date(2062, 6, 1)}]
    made = rows(spark, table, days)
    made.write.format("delta").partitionBy("day").save(views.uri(settings, table))

    asked = named_query.load("spend_reconciliation")
    values = binding.bind(spark, settings, asked, asked.typed({})).values

    assert values["end"] == date(2026, 6, 2)
    assert made.selectExpr("max(day) + 1").collect()[0][0] == date(2062, 6, 2), "what the largest value would say"


def test_before_anything_has_landed_the_range_is_asked_for(spark: SparkSession, settings: Settings) -> None:
    record(spark, settings, ran("bronze_shares", TEN, EMPTY))

    with pytest.raises(LakeError, match="Nothing has landed for fct_shares yet: give `end`"):
        binding.latest(spark, settings, "fct_shares")


def test_a_session_in_another_zone_is_refused(spark: SparkSession, settings: Settings) -> None:
    """Its hours and days would be cut where its clock says."""
    other = spark.newSession()
    other.conf.set("spark.sql.session.timeZone", "America/New_York")

    with pytest.raises(ConfigError, match=r"time zone is 'America/New_York'. Set spark.sql.session.timeZone to UTC"):
        run(other, settings, "virality", post_id=1, end=datetime(2026, 6, 1, tzinfo=UTC) + timedelta(hours=1))
