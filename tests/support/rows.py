"""Builds rows and records from the few columns that a test needs. Other columns get valid values from the contract."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from etl import conf
from etl.engine.jobs import ddl
from etl.engine.landing.records import enrich, parse_text
from etl.model.contract import Column, Event, Table
from etl.subjects.feed.facts import fct_dwell_per_impression, fct_engagements, fct_impressions
from etl.transforms.sketches import EMPTY_SKETCH
from etl.transforms.snowflake import EPOCH_MS

Row = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)


def at(clock: str, day: int = 1) -> datetime:
    """A UTC instant of June 2026: `at("10:04:59.999999")`."""
    return datetime.combine(date(2026, 6, day), time.fromisoformat(clock), UTC)


def minted(when: datetime, number: int = 0) -> int:
    """A snowflake id of an impression served at an instant."""
    return (((when - EPOCH) // MS - EPOCH_MS) << 22) + number


def minted_at(impression_id: int | None) -> datetime | None:
    """The instant encoded in a snowflake id."""
    return None if impression_id is None else EPOCH + ((impression_id >> 22) + EPOCH_MS) * MS


TEN = at("10:00")


def _hour(when: datetime | None) -> datetime | None:
    return when and when.replace(minute=0, second=0, microsecond=0)


def _words(dwell_ms: int) -> list[int]:
    bits = (1 << dwell_ms // 250) - 1
    words = [bits >> 64 * i & (1 << 64) - 1 for i in range((bits.bit_length() + 63) // 64)]
    return [w - (1 << 64) if w >> 63 else w for w in words]


_DERIVED: dict[str, Callable[[Row], Any]] = {
    "impression_ts": lambda r: minted_at(r["impression_id"]),
    "impression_hour": lambda r: _hour(minted_at(r["impression_id"])),
    "event_hour": lambda r: _hour(r["event_ts"]),
    "share_hour": lambda r: _hour(r["share_ts"]),
    "click_hour": lambda r: _hour(r["click_ts"]),
    "ad_impression_hour": lambda r: _hour(r["impression_ts"]),
    "conversion_hour": lambda r: _hour(r["conversion_ts"]),
    "is_undone": lambda r: r["undone_ts"] is not None,
    "is_current": lambda r: r["valid_to"] is None,
    "beat_words": lambda r: _words(r["dwell_ms"]),
}
"""Columns that are computed from another column of the row."""

_SPECIAL: dict[str, Any] = {
    "valid_from": at("00:00"),
    "reach_hll": bytes.fromhex(EMPTY_SKETCH),
    "users_hll": bytes.fromhex(EMPTY_SKETCH),
    "is_valid": True,
    "time_zone": "UTC",
}
_BY_TYPE: dict[str, Any] = {
    "TIMESTAMP": at("10:00"),
    "DATE": at("00:00").date(),
    "DECIMAL": Decimal(0),
    "BOOLEAN": False,
    "ARRAY<STRING>": [],
}


def _default(column: Column) -> Any:
    kind = column.type.split("(")[0]
    if column.nullable:
        return None
    if column.values:
        return column.values[0]
    if column.name in _SPECIAL:
        return _SPECIAL[column.name]
    if kind == "STRING":
        return column.name
    return _BY_TYPE.get(kind, int(max(column.low or 0, 1)))


def _has_source(name: str, row: Row) -> bool:
    """Whether the row has the column that `name` is computed from. The id of an ad impression encodes no time."""
    return name not in ("impression_ts", "impression_hour") or "impression_id" in row


def complete(columns: Sequence[Column], given: Row, number: int) -> Row:
    """A whole row from the given columns; `number` goes to the first column. Fails for a column of no contract."""
    unknown = given.keys() - {c.name for c in columns}
    assert not unknown, f"not in the contract: {unknown}"
    first = columns[0]
    numbered = minted(at("10:00"), number) if first.name == "impression_id" else number
    row = {c.name: _default(c) for c in columns} | {first.name: numbered} | given
    follow = [c.name for c in columns if c.name in _DERIVED and c.name not in given and _has_source(c.name, row)]
    return row | {name: _DERIVED[name](row) for name in follow}


def rows(spark: SparkSession, table: Table, given: Iterable[Row]) -> DataFrame:
    """Rows of a table. The first column is numbered, hours follow from times, nullable columns are NULL."""
    complete_rows = [complete(table.columns, row, i) for i, row in enumerate(given, 1)]
    return spark.createDataFrame([tuple(r[c] for c in table.column_names) for r in complete_rows], ddl.schema(table))


def columns_only(table: Table, *names: str) -> Table:
    """The contract with only some of its columns."""
    return dataclasses.replace(table, columns=tuple(c for c in table.columns if c.name in names))


def record(event: Event, **given: Any) -> Row:
    """One landed record as JSON values. A field given as `...` is left out."""
    minted_from = {k: v for k, v in given.items() if k == "impression_id" and isinstance(v, int)}
    row = complete(event.fields, minted_from, 1) | given
    return {k: _plain(v) for k, v in row.items() if v is not ... and (v is not None or k in given)}


def _plain(value: Any) -> Any:
    if isinstance(value, date):  # also true for a datetime
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def lines(spark: SparkSession, texts: Iterable[str | Row], landed: datetime = TEN) -> DataFrame:
    """Landed lines: text is unchanged, a record becomes JSON."""
    raw = [(t if isinstance(t, str) else json.dumps(t), "a.jsonl", landed) for t in texts]
    return spark.createDataFrame(raw, "raw STRING, source_file STRING, landed_hour TIMESTAMP")


def records(spark: SparkSession, event: Event, given: Iterable[Row], landed: datetime = TEN) -> DataFrame:
    """Parsed records of an event with landed hour and file, as a bronze transform gets them."""
    texts = [record(event, **fields) for fields in given]
    return enrich(parse_text(lines(spark, texts, landed), event), event, conf.load("local"))


def assert_rows(made: DataFrame, table: Table, expected: list[Row]) -> None:
    """Assert that a DataFrame, typed by the contract, has the expected rows in the columns that `expected` names."""
    unknown = {name for row in expected for name in row} - set(table.column_names)
    assert not unknown, f"not columns of {table.name}: {sorted(unknown)}"
    assert len({frozenset(row) for row in expected}) <= 1, "each expected row names the same columns"
    names = [c for c in table.column_names if not expected or c in expected[0]]
    wanted = made.sparkSession.createDataFrame(
        [tuple(row[name] for name in names) for row in expected], ddl.schema(columns_only(table, *names))
    )
    found = ddl.conform(made, table).select(*names)
    assert_df_equality(found, wanted, ignore_row_order=True, ignore_nullable=True)


def facts(
    spark: SparkSession, impressions: list[Row], engagements: list[Row], dwell: list[Row] | None = None
) -> tuple[DataFrame, DataFrame, DataFrame]:
    """The three facts of an hour, in the order in which a transform of all three takes them."""
    return (
        rows(spark, fct_impressions.TABLE, impressions),
        rows(spark, fct_engagements.TABLE, engagements),
        rows(spark, fct_dwell_per_impression.TABLE, dwell or []),
    )
