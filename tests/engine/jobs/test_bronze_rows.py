"""An accepted record becomes a typed row of its bronze table."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from support.rows import Row, assert_rows, at, minted, record, records

from etl import catalog
from etl.engine.jobs import ddl
from etl.model.contract import Layer, Table
from etl.subjects.feed.events import IMPRESSIONS

BRONZE = [t for t in catalog.tables() if t.layer is Layer.BRONZE and t.event]


@pytest.mark.parametrize("table", BRONZE, ids=lambda t: t.name)
def test_an_accepted_record_is_a_typed_bronze_row(spark: SparkSession, table: Table) -> None:
    """The row has every field of the record in the contract's type, and the name of the landed file."""
    assert table.event
    sent = record(table.event)

    made = catalog.entry(table.name).transform(records(spark, table.event, [{}]))

    row = ddl.conform(made, table).collect()[0].asDict()
    assert row["source_file"] == "a.jsonl"
    assert {k: row[k] for k, v in sent.items() if isinstance(v, int)} == {
        k: v for k, v in sent.items() if isinstance(v, int)
    }
    assert {f.name for f in table.event.fields} <= row.keys()


def test_a_landed_impression_keeps_every_value(spark: SparkSession) -> None:
    table = catalog.entry("bronze_impressions").table
    sent: Row = {
        "impression_id": minted(at("10:00")), "viewer_id": 2**53 + 1, "post_id": -3, "feed_position": 4,
        "surface": "reels", "ranker_model_id": 5, "device_id": 6, "impression_ts": at("10:00:00.123456"),
    }  # fmt: skip

    made = catalog.entry(table.name).transform(records(spark, IMPRESSIONS, [{**sent, "predicted_score": 0.25}]))

    assert_rows(made, table, [{**sent, "predicted_score": Decimal("0.25"), "impression_hour": at("10:00")}])
