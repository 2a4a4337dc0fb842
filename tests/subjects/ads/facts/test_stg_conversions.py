"""stg_conversions: one row per conversion, in the hour it happened, whenever word of it came."""

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


def test_a_conversion_told_of_days_later_lies_where_it_happened(spark: SparkSession) -> None:
    late = {
        "conversion_id": 3, "value_usd": Decimal("0.01"), "conversion_ts": at("09:59"), "received_ts": at("10:00", 9),
    }  # fmt: skip

    made = transform(rows(spark, bronze_table(CONVERSIONS), [late]))

    assert_rows(made, TABLE, [late | {"conversion_hour": at("09:00")}])


def land(settings: Settings, hour: int, happened: datetime) -> None:
    """The same conversion, told of in an hour of the day with some time."""
    row = {"conversion_id": 7, "user_id": 1, "value_usd": 1.5, "conversion_ts": happened.isoformat()}
    file = Path(settings.landing) / "conversions" / f"hour=2026-06-01T{hour:02}" / "told.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(row | {"received_ts": at(f"{hour:02}:59").isoformat()}) + "\n")


def test_a_conversion_told_of_again_with_another_time_is_the_first_that_landed(
    spark: SparkSession, settings: Settings
) -> None:
    """Told a minute and a day apart, hour after hour, it is there as in one run, and as in a backfill of its hour."""
    first, second, third = at("08:59"), at("09:01"), at("09:01") - timedelta(days=1)
    for hour, happened in ((9, first), (10, second), (11, third)):
        land(settings, hour, happened)
        run = runner.run(
            spark, settings, at(f"{hour:02}:00"), at(f"{hour + 1:02}:00"), [bronze_table(CONVERSIONS).name, TABLE.name]
        )
        assert not run.errors

    told = delta.read(spark, views.uri(settings, TABLE)).select(F.unix_seconds("conversion_ts"))
    assert told.collect() == [(int(first.timestamp()),)]

    asked = request.make((at("08:00"), at("10:00")), [TABLE.name], "all")
    declared = driver.declare(spark, settings, asked, "ads", "told twice")
    assert declared
    driver.go_on(spark, settings, declared.id)
    assert told.collect() == [(int(first.timestamp()),)]
