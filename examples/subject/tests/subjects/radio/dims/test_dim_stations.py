"""dim_stations: versions of a station."""

from __future__ import annotations

from etl.subjects.radio.dims.dim_stations import TABLE, transform
from etl.subjects.radio.events import STATIONS
from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.shared.bronze_tables import bronze_table


def test_a_new_name_is_a_new_version_and_a_delete_ends_it(spark: SparkSession) -> None:
    changes = [
        {"station_id": 1, "station_name": "Old", "effective_ts": at("08:00"), "op": "upsert"},
        {"station_id": 1, "station_name": "New", "effective_ts": at("09:00"), "op": "upsert"},
        {"station_id": 1, "station_name": None, "effective_ts": at("10:00"), "op": "delete"},
    ]

    made = transform(rows(spark, bronze_table(STATIONS), changes))

    assert_rows(made, TABLE, [
        {"station_name": "Old", "valid_from": at("08:00"), "valid_to": at("09:00"), "is_deleted": False},
        {"station_name": "New", "valid_from": at("09:00"), "valid_to": at("10:00"), "is_deleted": True},
    ])  # fmt: skip
