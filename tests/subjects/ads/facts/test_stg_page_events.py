"""stg_page_events: one row per event of a session, in the hour it happened."""

from __future__ import annotations

from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.ads.events import PAGE_EVENTS
from etl.subjects.ads.facts.stg_page_events import TABLE, transform
from etl.subjects.shared.bronze_tables import bronze_table


def test_an_event_with_an_unknown_name_is_kept_in_its_hour(spark: SparkSession) -> None:
    event = {"user_id": 1, "session_id": 2, "event_name": "something new", "event_ts": at("09:59"), "device": None}

    made = transform(rows(spark, bronze_table(PAGE_EVENTS), [event]))

    assert_rows(made, TABLE, [event | {"event_hour": at("09:00")}])
