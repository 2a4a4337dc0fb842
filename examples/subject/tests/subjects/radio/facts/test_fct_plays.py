"""fct_plays: one row per play, in the hour in which it started."""

from __future__ import annotations

from etl.subjects.radio.events import PLAYS
from etl.subjects.radio.facts.fct_plays import TABLE, transform
from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.shared.bronze_tables import bronze_table


def test_a_late_arriving_play_is_in_the_hour_in_which_it_started(spark: SparkSession) -> None:
    late = {"play_id": 1, "play_ts": at("09:59"), "landed_hour": at("14:00")}

    made = transform(rows(spark, bronze_table(PLAYS), [late]))

    assert_rows(made, TABLE, [{"play_id": 1, "play_hour": at("09:00")}])
