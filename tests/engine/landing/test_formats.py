"""Landed files of well-known writers: a value is read when it fits its field, whatever other files the folder holds."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pyspark.sql import SparkSession
from support.local_lake import local_settings
from support.rows import at
from support.verdicts import verdicts

from etl import catalog
from etl.conf import Settings
from etl.engine.landing import columnar
from etl.engine.landing import reader as landing
from etl.model.contract import Event
from etl.operations.erasure import landed_rows
from etl.subjects.ads.events import AD_IMPRESSIONS
from etl.subjects.feed.events import SHARES

WHEN = datetime(2026, 6, 1, 10, 15)
FITS: set[str] = set()


def ints(value: int, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array([value], kind or pa.int64())


def instant(number: int, unit: str) -> pa.Array:
    """A timestamp from the number that it is stored as."""
    return ints(number).cast(pa.timestamp(unit))


PLAIN: dict[str, Any] = {
    "share_id": ints(1), "original_post_id": ints(1), "shared_post_id": ints(2), "viewer_id": ints(7),
    "share_ts": pa.array([WHEN], pa.timestamp("us", "UTC")), "channel": pa.array(["link"]),
}  # fmt: skip
WRONG = {"wrong_type:viewer_id"}
SHARE: dict[str, tuple[dict[str, Any], set[str]]] = {
    "plain": ({}, FITS),
    "pandas: nanoseconds": ({"share_ts": pa.array([WHEN], pa.timestamp("ns", "UTC"))}, FITS),
    "nanoseconds without a zone": ({"share_ts": pa.array([WHEN], pa.timestamp("ns"))}, FITS),
    "milliseconds": ({"share_ts": pa.array([WHEN], pa.timestamp("ms"))}, FITS),
    "seconds": ({"share_ts": pa.array([WHEN], pa.timestamp("s"))}, FITS),
    "the largest number of milliseconds": ({"share_ts": instant(2**63 - 1, "ms")}, {"in_future"}),
    "the smallest number of milliseconds": ({"share_ts": instant(-(2**63), "ms")}, {"too_late"}),
    "the largest number of microseconds": ({"share_ts": instant(2**63 - 1, "us")}, {"in_future"}),
    "the smallest number of nanoseconds": ({"share_ts": instant(-(2**63), "ns")}, {"too_late"}),
    "small and unsigned": (
        {"viewer_id": ints(200, pa.uint8()), "original_post_id": ints(60_000, pa.uint16()),
         "shared_post_id": ints(4_000_000_000, pa.uint32())}, FITS),
    "small and signed": ({"viewer_id": ints(-7, pa.int8()), "original_post_id": ints(-7, pa.int16())}, FITS),
    "polars: unsigned of 64 bits": ({"viewer_id": ints(2**63 - 1, pa.uint64())}, FITS),
    "unsigned, above the signed range": ({"viewer_id": ints(2**63, pa.uint64())}, WRONG),
    "Snowflake: NUMBER(38,0)": ({"viewer_id": pa.array([Decimal(7)], pa.decimal128(38, 0))}, FITS),
    "NUMBER(5,0)": ({"viewer_id": pa.array([Decimal(7)], pa.decimal128(5, 0))}, FITS),
    "a NUMBER past 64 bits": ({"viewer_id": pa.array([Decimal(10**30)], pa.decimal128(38, 0))}, WRONG),
    "a NUMBER of 60 digits": ({"viewer_id": pa.array([Decimal(7)], pa.decimal256(60, 0))}, WRONG),
    "a NUMBER with a scale": ({"viewer_id": pa.array([Decimal(7)], pa.decimal128(38, 2))}, WRONG),
    "a fraction": ({"viewer_id": pa.array([7.0])}, WRONG),
    "a timestamp for an id": ({"viewer_id": pa.array([WHEN], pa.timestamp("ns"))}, WRONG),
    "an id for a timestamp": ({"share_ts": ints(1_780_308_000)}, {"wrong_type:share_ts"}),
    "text as a dictionary": ({"channel": pa.array(["link"]).dictionary_encode()}, FITS),
    "large text": ({"channel": pa.array(["link"], pa.large_string())}, FITS),
    "bytes that are text": ({"channel": pa.array([b"link"], pa.binary())}, FITS),
    "bytes that are not text": ({"channel": pa.array([b"caf\xe9"], pa.binary())}, {"wrong_type:channel"}),
    "only NULL": ({"channel": pa.nulls(1)}, FITS),
    "only NULL in a required field": ({"viewer_id": pa.nulls(1)}, {"missing:viewer_id"}),
    "unknown columns of every type": (
        {"uuid": pa.array([b"0" * 16], pa.binary(16)), "t": pa.array([time(1)], pa.time64("us")),
         "t3": pa.array([time(1)], pa.time32("ms")), "m": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
         "s": pa.array([{"a": {"b": 1}}]), "l": pa.array([[{"a": 1}]]), "d": pa.array([1], pa.duration("us")),
         "h": pa.array([1.5], pa.float16()), "n": pa.array([[]], pa.list_(pa.null())),
         "x": pa.array([Decimal(1)], pa.decimal256(70, 3)), "": ints(1), " ": ints(1), "a.b": ints(1), "`": ints(1),
         "x\ny": ints(1), "_metadata": ints(1), "landed_hour": ints(1), "raw": ints(1), "_corrupt": ints(1)}, FITS),
    "an unknown column in upper and in lower case": ({"FOO": ints(1), "foo": ints(1)}, FITS),
    "a field in upper and in lower case": ({"VIEWER_ID": ints(8)}, WRONG),
}  # fmt: skip
LISTS: dict[str, tuple[pa.Array, set[str]]] = {
    "longs": (pa.array([[1, 2]]), FITS),
    "shorts": (pa.array([[1]], pa.list_(pa.int16())), FITS),
    "unsigned": (pa.array([[1]], pa.list_(pa.uint64())), FITS),
    "decimals": (pa.array([[Decimal(1)]], pa.list_(pa.decimal128(38, 0))), FITS),
    "large": (pa.array([[1]], pa.large_list(pa.int64())), FITS),
    "empty, without an element type": (pa.array([[]], pa.list_(pa.null())), FITS),
    "none": (pa.array([None], pa.list_(pa.string())), FITS),
    **{
        name: (array, {"wrong_type:experiment_ids"})
        for name, array in {
            "text": pa.array([["exp_a", "12"]]), "fractions": pa.array([[1.9]]), "objects": pa.array([[{"id": 1}]]),
            "too large": pa.array([[2**63]], pa.list_(pa.uint64())), "lists": pa.array([[[1]]]),
            "instants": pa.array([[WHEN]]), "instants in nanoseconds": pa.array([[WHEN]], pa.list_(pa.timestamp("ns"))),
            "one number": ints(1), "text of a list": pa.array(["[1]"]),
        }.items()
    },
}  # fmt: skip


def parquet(folder: Path, name: str, columns: dict[str, Any], **options: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"{name}.parquet", **options)


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """All Parquet files above in one landed hour, and some files without columns or rows."""
    settings = local_settings(tmp_path_factory.mktemp("formats"))
    shares = Path(settings.landing) / "shares" / "hour=2026-06-01T10"
    for name, (columns, _) in SHARE.items():
        parquet(shares, name.replace(":", ""), PLAIN | columns)
    parquet(shares, "INT96", PLAIN, use_deprecated_int96_timestamps=True)
    parquet(shares, "upper case", {name.upper(): values for name, values in PLAIN.items()})
    parquet(shares, "no columns", {})
    parquet(shares, "no fields", {"zz": ints(1)})
    pq.write_table(pa.table(PLAIN).slice(0, 0), shares / "no rows.parquet")
    for name, (array, _) in LISTS.items():
        shown = {"ad_impression_id": ints(1), "user_id": ints(1), "ad_id": ints(1), "surface": pa.array(["feed"]),
                 "clearing_cpm": pa.array([1.0]), "spend_micros": ints(1), "is_valid": pa.array([True])}  # fmt: skip
        whole = {**shown, "impression_ts": PLAIN["share_ts"], "experiment_ids": array}
        parquet(Path(settings.landing) / "ad_impressions" / "hour=2026-06-01T10", name, whole)
    return settings


def test_shares_of_every_writer_are_judged_by_their_values(spark: SparkSession, landed: Settings) -> None:
    missing = {f"missing:{f.name}" for f in SHARES.fields if not f.nullable}
    wanted = {name.replace(":", ""): [reasons] for name, (_, reasons) in SHARE.items()}
    assert verdicts(spark, landed, SHARES) == wanted | {"INT96": [FITS], "upper case": [FITS], "no fields": [missing]}
    for name in ("pandas nanoseconds", "a field in upper and in lower case", "unknown columns of every type"):
        assert verdicts(spark, landed, SHARES, f"{name}.") == {name: wanted[name]}, "the same without the other files"


ARROW = {
    "BIGINT": pa.int64(), "INT": pa.int32(), "SMALLINT": pa.int16(), "BOOLEAN": pa.bool_(), "STRING": pa.string(),
    "DATE": pa.date32(), "ARRAY<BIGINT>": pa.list_(pa.int64()),
}  # fmt: skip


def nothing(event: Event, unit: str) -> pa.Table:
    """One record of an event, with NULL in a column of the right type for each field."""
    kinds = {f.name: ARROW.get(f.type, pa.timestamp(unit) if f.type == "TIMESTAMP" else pa.float64())
             for f in event.fields}  # fmt: skip
    return pa.table({name: pa.array([None], kind) for name, kind in kinds.items()})


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(
            e, id=e.name, marks=[] if e.name in ("engagements", "posts", "spend_ledger") else [pytest.mark.slow]
        )
        for e in catalog.landing_events()
    ],
)
def test_null_in_a_parquet_column_is_an_absent_field(spark: SparkSession, settings: Settings, event: Event) -> None:
    """The same as an empty JSON object, with timestamps of every unit."""
    folder = Path(settings.landing) / event.name / "hour=2026-06-01T10"
    folder.mkdir(parents=True)
    (folder / "json.jsonl").write_text("{}\n")
    for unit in ("ms", "us", "ns"):
        pq.write_table(nothing(event, unit), folder / f"{unit}.parquet")
    found = verdicts(spark, settings, event)
    assert found == dict.fromkeys(found, found["json"]) and len(found) == 4
    read = landing.read(spark, settings, event, landing.listing(spark, settings, event, [at("10:00")]))
    (row,) = read.select([f.name for f in event.fields]).distinct().collect()
    assert set(row.asDict().values()) == {None}


def test_split_byte_streams_are_read_by_runs_and_erasures(spark: SparkSession, settings: Settings) -> None:
    """Spark's fast reader does not know this encoding, which made the whole file unreadable."""
    folder = Path(settings.landing) / "shares" / "hour=2026-06-01T10"
    split = {"use_dictionary": False, "column_encoding": {"share_id": columnar.SPLIT, "viewer_id": columnar.SPLIT}}
    parquet(folder, "split", PLAIN, **split)
    (part,) = landing.listing(spark, settings, SHARES, [at("10:00")])
    try:
        assert verdicts(spark, settings, SHARES) == {"split": [FITS]}
        spark.conf.set(columnar.VECTORIZED, "true")
        assert len(landed_rows.read(spark, part.files[0]).collect()) == 1
    finally:
        spark.conf.set(columnar.VECTORIZED, "true")


def test_a_list_is_judged_by_every_element(spark: SparkSession, landed: Settings) -> None:
    assert verdicts(spark, landed, AD_IMPRESSIONS) == {name: [reasons] for name, (_, reasons) in LISTS.items()}


BOM = b"\xef\xbb\xbf"


def share(number: int, channel: str = "link") -> str:
    record = {"share_id": number, "original_post_id": 1, "shared_post_id": 2, "viewer_id": 7, "channel": channel}
    return json.dumps(record | {"share_ts": "2026-06-01T10:15:00Z"}, ensure_ascii=False)


NOT_TEXT: list[set[str]] = [{"unparseable"}]
TEXT: dict[str, tuple[bytes, list[set[str]]]] = {
    "composed, decomposed": (f"{share(1, 'café')}\n{share(2, 'cafe' + chr(0x301))}\n".encode(), [FITS] * 2),
    "Latin-1": (share(1, "café").encode("latin-1"), NOT_TEXT),
    "Windows": (share(1, "“link”").encode("cp1252"), NOT_TEXT),
    "a surrogate as bytes": (share(1, "XX").encode().replace(b"XX", b"\xed\xa0\x80"), NOT_TEXT),
    "an overlong encoding": (share(1, "XX").encode().replace(b"XX", b"\xc0\xaf"), NOT_TEXT),
    "UTF-16": (share(1).encode("utf-16-le"), NOT_TEXT),
    "single quotes": (share(1).replace('"', "'").encode(), NOT_TEXT),
    "byte order mark": (BOM + f"{share(1)}\n{share(2)}\n".encode(), [FITS] * 2),
    "a byte order mark in the middle": (f"{share(1)}\n".encode() + BOM + share(2).encode(), [FITS, {"unparseable"}]),
    "CRLF": (f"{share(1)}\r\n\r\n{share(2)}\r\n".encode(), [FITS] * 2),
    "CR": (f"{share(1)}\r{share(2)}\r\r{share(3)}".encode(), [FITS] * 3),
    "CR within a record": (share(1).replace(", ", ",\r ").encode() + b"\r\n" + share(2).encode(), [FITS] * 2),
    "Latin-1 and CRLF": ((share(1, "café") + "\r\n" + share(2) + "\r\n").encode("latin-1"), [{"unparseable"}, FITS]),
    "Latin-1 and CR": (
        f"{share(1)}\r{share(2, 'café')}\r{share(3)}\r".encode("latin-1"),
        [FITS, {"unparseable"}, FITS],
    ),
    "CR and a broken record": (f"{share(1)}\r{{broken\r{share(2)}\n".encode(), [FITS, {"unparseable"}, FITS]),
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes, ".jsonl.gz": gzip.compress, ".jsonl.zst": zstandard.ZstdCompressor().compress,
}  # fmt: skip


def test_text_must_be_utf_8_and_lines_may_end_with_lf_crlf_or_cr(spark: SparkSession, settings: Settings) -> None:
    """The same in every compression. A byte order mark at the beginning of a file is ignored."""
    folder = Path(settings.landing) / "shares" / "hour=2026-06-01T10"
    folder.mkdir(parents=True)
    for name, (content, _) in TEXT.items():
        for suffix, pack in PACKED.items():
            (folder / f"{name}{suffix.replace('.', '~', 1)[1:]}{suffix}").write_bytes(pack(content))
    found = verdicts(spark, settings, SHARES)
    for name, (_, wanted) in TEXT.items():
        reasons = [file_reasons for file, file_reasons in found.items() if file.startswith(f"{name}jsonl")]
        assert reasons == [wanted] * 3, name


def test_a_line_that_is_not_utf_8_is_quarantined_as_valid_text(spark: SparkSession, settings: Settings) -> None:
    """Quarantine replaces the invalid bytes, so that a query can return them without an error."""
    from etl import catalog
    from etl.engine.delta import tables as delta
    from etl.engine.jobs import runner
    from etl.engine.sql import views

    folder = Path(settings.landing) / "shares" / "hour=2026-06-01T10"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(share(1, "café").encode("latin-1") + b"\n" + share(2).encode())
    summary = runner.run(spark, settings, at("10:00"), at("11:00"), tables=["bronze_shares"])
    assert not summary.errors, "one bad record never fails an hour"
    (row,) = delta.read(spark, views.uri(settings, catalog.entry("quarantine").table)).collect()
    assert row.reasons == ["unparseable"] and "caf\ufffd" in row.raw
    assert row.landed_hour.replace(tzinfo=UTC)
