"""mart_station_daily: a person who listens in two hours of a day is one listener."""

from __future__ import annotations

from etl.subjects.radio.facts import fct_listens
from etl.subjects.radio.marts.mart_station_daily import TABLE, transform
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support.rows import assert_rows, at, rows


def test_a_person_counts_once_per_day(spark: SparkSession) -> None:
    """The naive sum over hours counts the person twice."""
    hours = [(1, "09:00"), (1, "10:00"), (2, "10:00")]
    given = [
        {"user_id": user, "station_id": 7, "play_hour": at(hour), "plays": 1, "seconds_sum": 60} for user, hour in hours
    ]
    listens = rows(spark, fct_listens.TABLE, given)

    made = transform(listens)

    (naive,) = (
        listens.groupBy("station_id", "play_hour")
        .agg(F.count_distinct("user_id").alias("n"))
        .agg(F.sum("n").alias("n"))
        .collect()
    )
    assert naive["n"] == 3
    assert_rows(made, TABLE, [{"station_id": 7, "plays": 3, "listeners": 2, "seconds_sum": 180}])
