"""Which of several unequal records of a key wins: canonical text, ties, and the effects of erasure and retention."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.rows import Row, at, rows

from etl import catalog, conf
from etl.engine.delta import checksums
from etl.engine.jobs import ddl, winners
from etl.model.privacy import REPLACEMENT_IDS_BELOW
from etl.subjects.ads import events as ads_events

FACT = catalog.entry("fct_shares")
BRONZE = FACT.table.inputs[0].table
ERASED = REPLACEMENT_IDS_BELOW - 5


def records(spark: SparkSession, *given: Row) -> DataFrame:
    """Bronze shares with the same id, viewer, time and landed hour, unless a record gives others."""
    defaults = {"share_id": 1, "viewer_id": 7, "share_ts": at("08:15"), "landed_hour": at("10:00")}
    return rows(spark, BRONZE, [defaults | fields for fields in given])


def settled(candidates: DataFrame, published: list[Row] | None = None, complete_from: datetime | None = None) -> Any:
    """(channel, viewer) of each winning row."""
    share = {"share_id": 1, "share_ts": at("08:15")}
    published_rows = rows(candidates.sparkSession, FACT.table, [share | fields for fields in published or []])
    found = winners.settle(candidates, FACT.table, FACT.transform, published_rows, complete_from)
    assert found.columns == list(FACT.table.column_names)
    return [(r["channel"], r["viewer_id"]) for r in found.collect()]


def test_canonical_text_is_json_with_sorted_keys(spark: SparkSession) -> None:
    """Decimals have no trailing zeros, times are UTC with microseconds, text is escaped as in JSON, NULL is null."""
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
def test_a_decimal_in_the_canonical_text_has_no_trailing_zeros(spark: SparkSession, value: str, text: str) -> None:
    field = next(f for f in ads_events.AD_IMPRESSIONS.fields if f.name == "clearing_cpm")
    frame = spark.range(1).select(F.lit(Decimal(value)).cast(field.type).alias("clearing_cpm"))
    assert frame.select(winners._json(field)).collect()[0][0] == text


def test_the_row_hash_depends_on_the_position_of_nulls(spark: SparkSession) -> None:
    """NULL in another column, or at another position of a list, gives another hash."""
    table = catalog.entry("stg_page_events").table
    given = [{"device": "EU"}, {"region": "EU"}, {}, {"device": "EU", "region": "EU"}]
    pages = rows(spark, table, [g | {"user_id": 1} for g in given])
    assert pages.select(checksums.row_hash(table.columns)).distinct().count() == 4
    column = next(c for c in catalog.entry("stg_ad_impressions").table.columns if c.name == "experiment_ids")
    lists = spark.createDataFrame([([1, None],), ([None, 1],), ([1],), (None,), ([],)], "experiment_ids ARRAY<BIGINT>")
    assert lists.select(checksums.row_hash([column.optional()])).distinct().count() == 5


def test_the_first_landed_record_wins_and_then_the_smaller_text(spark: SparkSession) -> None:
    later = {"channel": "a", "landed_hour": at("11:00")}
    assert settled(records(spark, later, {"channel": "c"}, {"channel": "b"}), [{"channel": "z"}]) == [("b", 7)]
    assert settled(records(spark, {"channel": None}, {"channel": "b"})) == [("b", 7)]


def test_a_published_row_wins_when_its_records_are_equal(spark: SparkSession) -> None:
    """Equal records decide nothing. The row may differ from them, because an earlier version of the logic made it."""
    record = {"channel": "a"}
    assert settled(records(spark, record, record | {"landed_hour": at("12:00")}), [{"channel": "z"}]) == [("z", 1)]


def test_a_published_row_wins_when_retention_may_have_removed_its_record(spark: SparkSession) -> None:
    """Bronze has every record of rows of 10:00 and later. So the record of a row of hour 08 may be gone."""
    two = [{"channel": "b"}, {"channel": "a"}]
    assert settled(records(spark, *two), [{"channel": "z"}], at("10:00")) == [("z", 1)]
    assert settled(records(spark, *two), [{"channel": "z"}], at("08:00")) == [("a", 7)]


def test_erasure_does_not_change_the_winner(spark: SparkSession) -> None:
    """Erasure changes the text of a record, so among records of one landed hour the published row wins."""
    tie: list[Row] = [{"channel": "b", "viewer_id": ERASED}, {"channel": "a"}]
    published = [{"channel": "b", "viewer_id": ERASED}]
    assert settled(records(spark, *tie), published) == [("b", ERASED)]
    assert settled(records(spark, *tie)) == [("a", 7)]
    earlier = {"channel": "c", "landed_hour": at("09:00")}
    assert settled(records(spark, earlier, *tie), published) == [("c", 7)]


@pytest.mark.parametrize(
    ("fact", "future_minutes", "hours"),
    [("fct_shares", 5, 8 * 24 + 1), ("fct_shares", 60, 8 * 24 + 2), ("fct_spend_ledger", 5, 31 * 24)],
)
def test_records_are_searched_from_the_first_hour_in_which_they_may_land(
    fact: str, future_minutes: int, hours: int
) -> None:
    """Clocks of producers are ahead by some minutes, and an invoice may name a day of the next month."""
    settings = conf.load("local").model_copy(update={"future_minutes": future_minutes})
    table = catalog.entry(fact).table
    assert winners.landed_from(settings, table, [at("09:00"), at("08:00")]) == at("08:00") - timedelta(hours=hours)
