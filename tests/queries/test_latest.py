"""`latest` is how far the runs of a subject have got, from the ledger. Records and the wall clock do not change it."""

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


def entry(table: str, hour: datetime, fingerprint: str = "files", verdict: str = "passed") -> Entry:
    """A ledger entry of a table that read one landed hour."""
    return Entry(
        "r", table, hour, verdict=verdict, processed_hours=[hour], fingerprints={hour.isoformat(): fingerprint}
    )


def record(spark: SparkSession, settings: Settings, *entries: Entry) -> None:
    """Write entries to the ledger."""
    ledger = Ledger(spark, settings.lake)
    for entry in entries:
        ledger.append(entry)
    ledger.flush()


def test_latest_is_the_end_of_the_last_published_landed_hour(spark: SparkSession, settings: Settings) -> None:
    """Failed hours, hours without files and hours of another subject do not count."""
    record(
        spark, settings,
        entry("bronze_shares", TEN), entry("bronze_impressions", ELEVEN), entry("fct_shares", at("20:00")),
        entry("bronze_impressions", TWELVE, verdict="failed"), entry("bronze_engagements", TWELVE, EMPTY),
        entry("bronze_ad_clicks", at("00:00", 2)),
    )  # fmt: skip

    assert binding.latest(spark, settings, "fct_shares") == TWELVE
    assert binding.latest(spark, settings, "rec_spend_daily") == at("01:00", 2)


def test_a_record_of_the_year_2062_changes_no_default(spark: SparkSession, settings: Settings) -> None:
    """A default based on the largest day would select a week in 2062, and miss today's difference."""
    record(spark, settings, entry("bronze_spend_ledger", TEN))
    table = catalog.entry("rec_spend_daily").table
    days = [{"campaign_id": 10, "day": date(2026, 6, 1)}, {"campaign_id": 11, "day": date(2062, 6, 1)}]
    result = rows(spark, table, days)
    result.write.format("delta").partitionBy("day").save(views.uri(settings, table))

    query = named_query.load("spend_reconciliation")
    values = binding.bind(spark, settings, query, query.typed({})).values

    assert values["end"] == date(2026, 6, 2)
    assert result.selectExpr("max(day) + 1").collect()[0][0] == date(2062, 6, 2), "the naive answer"


def test_without_landed_files_the_interval_is_required(spark: SparkSession, settings: Settings) -> None:
    record(spark, settings, entry("bronze_shares", TEN, EMPTY))

    with pytest.raises(LakeError, match="Nothing has landed for fct_shares yet: give `end`"):
        binding.latest(spark, settings, "fct_shares")


def test_a_session_in_another_time_zone_is_refused(spark: SparkSession, settings: Settings) -> None:
    """Such a session would compute hours and days in its own time zone."""
    other = spark.newSession()
    other.conf.set("spark.sql.session.timeZone", "America/New_York")

    with pytest.raises(ConfigError, match=r"time zone is 'America/New_York'. Set spark.sql.session.timeZone to UTC"):
        run(other, settings, "virality", post_id=1, end=datetime(2026, 6, 1, tzinfo=UTC) + timedelta(hours=1))
