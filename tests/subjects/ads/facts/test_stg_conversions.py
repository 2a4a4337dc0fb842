"""stg_conversions: one row per conversion, in the hour it happened, whenever it was reported."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import assert_rows, at, rows

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.sql import views
from etl.operations.backfill import driver, request
from etl.subjects.ads.events import CONVERSIONS
from etl.subjects.ads.facts.stg_conversions import TABLE, transform
from etl.subjects.shared.bronze_tables import bronze_table


def test_a_conversion_reported_days_later_has_the_hour_it_happened(spark: SparkSession) -> None:
    late = {
        "conversion_id": 3, "value_usd": Decimal("0.01"), "conversion_ts": at("09:59"), "received_ts": at("10:00", 9),
    }  # fmt: skip

    made = transform(rows(spark, bronze_table(CONVERSIONS), [late]))

    assert_rows(made, TABLE, [late | {"conversion_hour": at("09:00")}])


def land(settings: Settings, hour: int, happened: datetime) -> None:
    """Land a record of conversion 7 in an hour of the day, with a conversion time."""
    row = {"conversion_id": 7, "advertiser_id": 9, "value_usd": 1.5, "conversion_ts": happened.isoformat()}
    file = Path(settings.landing) / "conversions" / f"hour=2026-06-01T{hour:02}" / "conversions.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(row | {"received_ts": at(f"{hour:02}:59").isoformat()}) + "\n")


def test_of_records_of_one_conversion_with_different_times_the_first_to_land_is_kept(
    spark: SparkSession, settings: Settings
) -> None:
    """The times are two minutes and a day apart. Hourly runs and a backfill of the hour give the same row."""
    first, second, third = at("08:59"), at("09:01"), at("09:01") - timedelta(days=1)
    for hour, happened in ((9, first), (10, second), (11, third)):
        land(settings, hour, happened)
        run = runner.run(
            spark, settings, at(f"{hour:02}:00"), at(f"{hour + 1:02}:00"), [bronze_table(CONVERSIONS).name, TABLE.name]
        )
        assert not run.errors

    times = delta.read(spark, views.uri(settings, TABLE)).select(F.unix_seconds("conversion_ts"))
    assert times.collect() == [(int(first.timestamp()),)]

    wanted = request.make((at("08:00"), at("10:00")), [TABLE.name], "all")
    declared = driver.declare(spark, settings, wanted, "ads", "duplicate conversions")
    assert declared
    driver.execute(spark, settings, declared.id)
    assert times.collect() == [(int(first.timestamp()),)]
