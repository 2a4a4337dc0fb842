"""stg_ad_clicks: one row per grain, without duplicates."""

from __future__ import annotations

import json
from pathlib import Path

from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.sql import views
from etl.subjects.ads.events import AD_CLICKS
from etl.subjects.ads.facts.stg_ad_clicks import TABLE, transform
from etl.subjects.shared.bronze_tables import bronze_table

CLICKS = [bronze_table(AD_CLICKS).name, TABLE.name]


def test_a_click_has_the_hour_of_the_click_not_the_landed_hour(spark: SparkSession) -> None:
    late = {"ad_id": 1, "click_ts": at("09:59:59.999999"), "landed_hour": at("14:00")}

    made = transform(rows(spark, bronze_table(AD_CLICKS), [late]))

    assert_rows(made, TABLE, [{"ad_id": 1, "click_ts": at("09:59:59.999999"), "click_hour": at("09:00")}])


def test_a_duplicate_click_is_one_row_even_with_another_impression(spark: SparkSession, settings: Settings) -> None:
    """Duplicates are in the same hour and in the next hour with an impression. A microsecond later is a new click."""
    click = {"ad_id": 1, "user_id": 2, "session_id": 3, "click_ts": "2026-06-01T10:00:00.000001Z"}
    other = click | {"click_ts": "2026-06-01T10:00:00.000002Z"}
    for hour, records in ((10, [click, click]), (11, [click | {"ad_impression_id": 7}, other])):
        file = Path(settings.landing) / "ad_clicks" / f"hour=2026-06-01T{hour}" / "a.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in records))
        assert not runner.run(spark, settings, at(f"{hour}:00"), at(f"{hour + 1}:00"), CLICKS).errors

    made = delta.read(spark, views.uri(settings, TABLE))

    assert_rows(made, TABLE, [
        {"click_ts": at("10:00:00.000001"), "ad_impression_id": None},
        {"click_ts": at("10:00:00.000002"), "ad_impression_id": None},
    ])  # fmt: skip
