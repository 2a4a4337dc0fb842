"""fct_listens: plays per person, station and hour."""

from __future__ import annotations

from etl.subjects.radio.facts import fct_plays
from etl.subjects.radio.facts.fct_listens import TABLE, transform
from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows


def test_plays_of_a_person_are_counted_per_station_and_hour(spark: SparkSession) -> None:
    plays = [(1, 7, "09:00", 10), (1, 7, "09:00", 20), (1, 8, "09:00", 5), (2, 7, "10:00", 1)]
    given = [
        {"user_id": user, "station_id": station, "play_hour": at(hour), "seconds": seconds}
        for user, station, hour, seconds in plays
    ]

    made = transform(rows(spark, fct_plays.TABLE, given))

    assert_rows(made, TABLE, [
        {"user_id": 1, "station_id": 7, "play_hour": at("09:00"), "plays": 2, "seconds_sum": 30},
        {"user_id": 1, "station_id": 8, "play_hour": at("09:00"), "plays": 1, "seconds_sum": 5},
        {"user_id": 2, "station_id": 7, "play_hour": at("10:00"), "plays": 1, "seconds_sum": 1},
    ])  # fmt: skip
