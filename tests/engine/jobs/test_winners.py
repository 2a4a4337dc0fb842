"""Which record of a key stands, on a few rows: the canonical text, ties, what erasure and retention leave."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.rows import Row, at, rows

from etl import catalog
from etl.engine.delta import checksums
from etl.engine.jobs import ddl, winners
from etl.model.privacy import REPLACEMENT_IDS_BELOW
from etl.subjects.ads import events as ads_events

FACT = catalog.entry("fct_shares")
BRONZE = FACT.table.inputs[0].table
ERASED = REPLACEMENT_IDS_BELOW - 5


def records(spark: SparkSession, *given: Row) -> DataFrame:
    """Bronze shares of one id, unless a record says another."""
    told = {"share_id": 1, "viewer_id": 7, "share_ts": at("08:15"), "landed_hour": at("10:00")}
    return rows(spark, BRONZE, [told | g for g in given])


def settled(candidates: DataFrame, published: list[Row] | None = None, kept_from: datetime | None = None) -> Any:
    """(channel, viewer) of each row that stands."""
    share = {"share_id": 1, "share_ts": at("08:15")}
    was = rows(candidates.sparkSession, FACT.table, [share | p for p in published or []])
    found = winners.settle(candidates, FACT.table, FACT.transform, was, kept_from)
    assert found.columns == list(FACT.table.column_names)
    return [(r["channel"], r["viewer_id"]) for r in found.collect()]


def test_canonical_text_is_json_with_sorted_keys(spark: SparkSession) -> None:
    """Decimals without trailing zeros, times in UTC to the microsecond, text as JSON has it, NULL as null."""
    fields = {
        "ad_impression_id": -3, "user_id": 7, "ad_id": 1, "session_id": None, "surface": 'f"é\\\n',
        "clearing_cpm": Decimal("100.250000"), "spend_micros": 100, "is_valid": True, "experiment_ids": [2, None, 1],
        "impression_ts": at("10:00:00.5"),
    }  # fmt: skip
    names = [f.name for f in ads_events.AD_IMPRESSIONS.fields]
    typed = ddl.schema(catalog.entry("bronze_ad_impressions").table)
    frame = spark.createDataFrame(
        [tuple({**fields, "landed_hour": at("10:00"), "source_file": "a"}[n] for n in typed.names)], typed
    )
    (text,) = frame.select(winners.canonical_text(ads_events.AD_IMPRESSIONS)).collect()[0]
    expected = fields | {"clearing_cpm": 100.25, "impression_ts": "2026-06-01T10:00:00.500000Z"}
    expected |= {n: None for n in names if n not in expected}
    assert text == json.dumps({n: expected[n] for n in sorted(names)}, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize(("value", "text"), [("0.000000", "0"), ("10.000000", "10"), ("-0.500000", "-0.5")])
def test_a_decimal_has_no_trailing_zeros(spark: SparkSession, value: str, text: str) -> None:
    field = next(f for f in ads_events.AD_IMPRESSIONS.fields if f.name == "clearing_cpm")
    frame = spark.range(1).select(F.lit(Decimal(value)).cast(field.type).alias("clearing_cpm"))
    assert frame.select(winners._json(field)).collect()[0][0] == text


def test_a_hash_of_rows_tells_nulls_apart(spark: SparkSession) -> None:
    """In another column, or at another place of a list."""
    table = catalog.entry("stg_page_events").table
    given = [{"device": "EU"}, {"region": "EU"}, {}, {"device": "EU", "region": "EU"}]
    pages = rows(spark, table, [g | {"user_id": 1} for g in given])
    assert pages.select(checksums.row_hash(table.columns)).distinct().count() == 4
    column = next(c for c in catalog.entry("stg_ad_impressions").table.columns if c.name == "experiment_ids")
    lists = spark.createDataFrame([([1, None],), ([None, 1],), ([1],), (None,), ([],)], "experiment_ids ARRAY<BIGINT>")
    assert lists.select(checksums.row_hash([column.optional()])).distinct().count() == 5


def test_the_first_landed_stands_and_then_the_smaller_text(spark: SparkSession) -> None:
    later = {"channel": "a", "landed_hour": at("11:00")}
    assert settled(records(spark, later, {"channel": "c"}, {"channel": "b"}), [{"channel": "z"}]) == [("b", 7)]
    assert settled(records(spark, {"channel": None}, {"channel": "b"})) == [("b", 7)]


def test_a_published_row_stands_where_nothing_contradicts_it(spark: SparkSession) -> None:
    """One record alone is left, or told in other words (a new version of the logic): the row is as it was."""
    one = {"channel": "a"}
    assert settled(records(spark, one, one | {"landed_hour": at("12:00")}), [{"channel": "z"}]) == [("z", 1)]


def test_a_published_row_stands_when_its_record_may_be_gone(spark: SparkSession) -> None:
    """Retention took the hours before 9: the record of a row of hour 8 may have landed then."""
    two = [{"channel": "b"}, {"channel": "a"}]
    assert settled(records(spark, *two), [{"channel": "z"}], at("09:00")) == [("z", 1)]
    assert settled(records(spark, *two), [{"channel": "z"}], at("07:00")) == [("a", 7)]


def test_erasure_changes_no_winner(spark: SparkSession) -> None:
    """The text of an erased person's record is not what it was; of records of one hour the published row stands."""
    tie = [{"channel": "b", "viewer_id": ERASED}, {"channel": "a"}]
    was = [{"channel": "b", "viewer_id": ERASED}]
    assert settled(records(spark, *tie), was) == [("b", ERASED)]
    assert settled(records(spark, *tie)) == [("a", 7)]
    earlier = {"channel": "c", "landed_hour": at("09:00")}
    assert settled(records(spark, earlier, *tie), was) == [("c", 7)]
