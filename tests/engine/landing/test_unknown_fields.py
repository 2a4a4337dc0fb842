"""Fields that an event does not have: counted in every landed file, and kept when the event says so."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import Row, SparkSession
from support.rows import at

from etl import conf
from etl.engine.landing import records
from etl.engine.landing.records import enrich, parse_columns, parse_text
from etl.model.contract import EXTRA, Column, Event

EVENT = Event("toys", (Column("toy_id", "BIGINT", "A toy"), Column("viewer_id", "BIGINT", "Who has it")))
LINES = [
    '{"toy_id": 1, "viewer_id": 2}',
    '{"toy_id": 1, "viewer_id": 2, "xyz": {"a": 1}, "note": null}',
    '{"toy_id": 1, "viewer_id": -5000000000000000000, "xyz": "of an erased person"}',
    "not an object",
]


def parsed(spark: SparkSession, event: Event, one_in: int = 1) -> list[Row]:
    landed = spark.createDataFrame([(n, line, "file", at("10:00")) for n, line in enumerate(LINES)],
                                   "n INT, raw STRING, source_file STRING, landed_hour TIMESTAMP")  # fmt: skip
    return enrich(parse_text(landed.orderBy("n").drop("n"), event, one_in), event, conf.load("local")).collect()


def test_unknown_fields_of_text_are_named(spark: SparkSession) -> None:
    rows = parsed(spark, EVENT)
    assert [row["_unknown"] for row in rows] == [[], ["xyz", "note"], ["xyz"], None]
    assert EXTRA not in rows[0]


def test_a_sample_leaves_out_most_records(spark: SparkSession) -> None:
    assert [row["_unknown"] for row in parsed(spark, EVENT, one_in=1_000_003)] == [None] * 4


def test_an_event_may_keep_unknown_fields(spark: SparkSession) -> None:
    """Not NULL, not of an erased person, and not of a line that is no record."""
    rows = parsed(spark, replace(EVENT, keeps_unknown=True))
    assert [row[EXTRA] for row in rows] == [None, {"xyz": '{"a":1}'}, None, None]


def test_unknown_columns_of_parquet_are_named(spark: SparkSession) -> None:
    schema = "toy_id BIGINT, viewer_id BIGINT, xyz STRING, source_file STRING, landed_hour TIMESTAMP"
    landed = spark.createDataFrame([(1, 2, None, "f", at("10:00")), (1, 2, "x", "f", at("10:00"))], schema).coalesce(1)
    rows = enrich(parse_columns(landed, EVENT), EVENT, conf.load("local")).collect()
    assert [row["_unknown"] for row in rows] == [[], ["xyz"]]


def test_names_are_bounded(spark: SparkSession) -> None:
    """A producer that uses ids as names of fields fills neither the ledger nor a mail."""
    line = "{" + ", ".join(f'"{"x" * 100}{n}": 1' for n in range(100)) + "}"
    landed = spark.createDataFrame([(line, "f", at("10:00"))], "raw STRING, source_file STRING, landed_hour TIMESTAMP")
    (row,) = parse_text(landed, EVENT).collect()
    assert len(row["_unknown"]) == records.MAX_NEW_FIELDS and {len(n) for n in row["_unknown"]} == {records.MAX_NAME}
