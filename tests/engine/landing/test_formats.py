"""Files as well-known writers make them: read where the value fits, each by its own footer, whatever lies beside it."""

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
from pyspark.sql import functions as F
from support.local_lake import local_settings
from support.rows import at

from etl import catalog
from etl.conf import Settings
from etl.engine.landing import reader as landing
from etl.engine.landing import records
from etl.model.contract import Event
from etl.subjects.ads.events import AD_IMPRESSIONS
from etl.subjects.feed.events import SHARES

WHEN = datetime(2026, 6, 1, 10, 15)
FITS: set[str] = set()


def ints(value: int, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array([value], kind or pa.int64())


def instant(number: int, unit: str) -> pa.Array:
    """An instant by the number it is stored as."""
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
    "the last of milliseconds": ({"share_ts": instant(2**63 - 1, "ms")}, {"in_future"}),
    "the first of milliseconds": ({"share_ts": instant(-(2**63), "ms")}, {"too_late"}),
    "the last of microseconds": ({"share_ts": instant(2**63 - 1, "us")}, {"in_future"}),
    "the first of nanoseconds": ({"share_ts": instant(-(2**63), "ns")}, {"too_late"}),
    "small and unsigned": (
        {"viewer_id": ints(200, pa.uint8()), "original_post_id": ints(60_000, pa.uint16()),
         "shared_post_id": ints(4_000_000_000, pa.uint32())}, FITS),
    "small and signed": ({"viewer_id": ints(-7, pa.int8()), "original_post_id": ints(-7, pa.int16())}, FITS),
    "polars: unsigned of 64 bits": ({"viewer_id": ints(2**63 - 1, pa.uint64())}, FITS),
    "unsigned, past what is signed": ({"viewer_id": ints(2**63, pa.uint64())}, WRONG),
    "Snowflake: NUMBER(38,0)": ({"viewer_id": pa.array([Decimal(7)], pa.decimal128(38, 0))}, FITS),
    "NUMBER(5,0)": ({"viewer_id": pa.array([Decimal(7)], pa.decimal128(5, 0))}, FITS),
    "a NUMBER past 64 bits": ({"viewer_id": pa.array([Decimal(10**30)], pa.decimal128(38, 0))}, WRONG),
    "a NUMBER of 60 digits": ({"viewer_id": pa.array([Decimal(7)], pa.decimal256(60, 0))}, WRONG),
    "a NUMBER with a scale": ({"viewer_id": pa.array([Decimal(7)], pa.decimal128(38, 2))}, WRONG),
    "a fraction": ({"viewer_id": pa.array([7.0])}, WRONG),
    "an instant for an id": ({"viewer_id": pa.array([WHEN], pa.timestamp("ns"))}, WRONG),
    "an id for an instant": ({"share_ts": ints(1_780_308_000)}, {"wrong_type:share_ts"}),
    "text as a dictionary": ({"channel": pa.array(["link"]).dictionary_encode()}, FITS),
    "large text": ({"channel": pa.array(["link"], pa.large_string())}, FITS),
    "bytes that are text": ({"channel": pa.array([b"link"], pa.binary())}, FITS),
    "bytes that are not": ({"channel": pa.array([b"caf\xe9"], pa.binary())}, {"wrong_type:channel"}),
    "nothing but NULL": ({"channel": pa.nulls(1)}, FITS),
    "nothing but NULL where there must be something": ({"viewer_id": pa.nulls(1)}, {"missing:viewer_id"}),
    "columns nobody asked for": (
        {"uuid": pa.array([b"0" * 16], pa.binary(16)), "t": pa.array([time(1)], pa.time64("us")),
         "t3": pa.array([time(1)], pa.time32("ms")), "m": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
         "s": pa.array([{"a": {"b": 1}}]), "l": pa.array([[{"a": 1}]]), "d": pa.array([1], pa.duration("us")),
         "h": pa.array([1.5], pa.float16()), "n": pa.array([[]], pa.list_(pa.null())),
         "x": pa.array([Decimal(1)], pa.decimal256(70, 3)), "": ints(1), " ": ints(1), "a.b": ints(1), "`": ints(1),
         "x\ny": ints(1), "_metadata": ints(1), "landed_hour": ints(1), "raw": ints(1), "_corrupt": ints(1)}, FITS),
    "a column in two cases nobody asked for": ({"FOO": ints(1), "foo": ints(1)}, FITS),
    "a field in two cases": ({"VIEWER_ID": ints(8)}, WRONG),
}  # fmt: skip
LISTS: dict[str, tuple[pa.Array, set[str]]] = {
    "longs": (pa.array([[1, 2]]), FITS),
    "shorts": (pa.array([[1]], pa.list_(pa.int16())), FITS),
    "unsigned": (pa.array([[1]], pa.list_(pa.uint64())), FITS),
    "decimals": (pa.array([[Decimal(1)]], pa.list_(pa.decimal128(38, 0))), FITS),
    "large": (pa.array([[1]], pa.large_list(pa.int64())), FITS),
    "empty, of nothing": (pa.array([[]], pa.list_(pa.null())), FITS),
    "none": (pa.array([None], pa.list_(pa.string())), FITS),
    **{
        name: (array, {"wrong_type:experiment_ids"})
        for name, array in {
            "text": pa.array([["exp_a", "12"]]), "fractions": pa.array([[1.9]]), "objects": pa.array([[{"id": 1}]]),
            "too large": pa.array([[2**63]], pa.list_(pa.uint64())), "lists": pa.array([[[1]]]),
            "instants": pa.array([[WHEN]]), "one number": ints(1), "text of a list": pa.array(["[1]"]),
        }.items()
    },
}  # fmt: skip


def parquet(folder: Path, name: str, columns: dict[str, Any], **options: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"{name}.parquet", **options)


def verdicts(spark: SparkSession, settings: Settings, event: Event, only: str = "") -> dict[str, list[set[str]]]:
    """The reasons of each record by the name of its file, of one landed hour or one file of it."""
    (part,) = landing.listing(spark, settings, event, [at("10:00")])
    chosen = landing.Landed(part.hour, tuple(f for f in part.files if only in f.name))
    read = landing.read(spark, settings, event, [chosen])
    why = F.when(records.is_bad(event, settings), records.reasons(event, settings)).alias("why")
    file = F.url_decode(F.regexp_extract("source_file", r"([^/]*)\.\w+$", 1)).alias("file")
    found: dict[str, list[set[str]]] = {}
    for row in read.select(file, why).collect():
        found.setdefault(row.file, []).append(set(row.why or ()))
    return found


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Every Parquet file above in one hour, and a few of no columns or rows."""
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


def test_shares_of_any_writer_are_judged_by_value(spark: SparkSession, landed: Settings) -> None:
    missing = {f"missing:{f.name}" for f in SHARES.fields if not f.nullable}
    wanted = {name.replace(":", ""): [reasons] for name, (_, reasons) in SHARE.items()}
    assert verdicts(spark, landed, SHARES) == wanted | {"INT96": [FITS], "upper case": [FITS], "no fields": [missing]}
    for name in ("pandas nanoseconds", "a field in two cases", "columns nobody asked for"):
        assert verdicts(spark, landed, SHARES, f"{name}.") == {name: wanted[name]}, "alone as among others"


ARROW = {
    "BIGINT": pa.int64(), "INT": pa.int32(), "SMALLINT": pa.int16(), "BOOLEAN": pa.bool_(), "STRING": pa.string(),
    "DATE": pa.date32(), "ARRAY<BIGINT>": pa.list_(pa.int64()),
}  # fmt: skip


def nothing(event: Event, unit: str) -> pa.Table:
    """One record of an event with a column of its type for each field, NULL in all of them."""
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
def test_null_is_absent_whatever_the_type_of_its_column(spark: SparkSession, settings: Settings, event: Event) -> None:
    """As in a record of JSON that says nothing: instants of every unit among them."""
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
    "too long a form": (share(1, "XX").encode().replace(b"XX", b"\xc0\xaf"), NOT_TEXT),
    "UTF-16": (share(1).encode("utf-16-le"), NOT_TEXT),
    "single quotes": (share(1).replace('"', "'").encode(), NOT_TEXT),
    "byte order mark": (BOM + f"{share(1)}\n{share(2)}\n".encode(), [FITS] * 2),
    "byte order marks in the middle": (f"{share(1)}\n".encode() + BOM + share(2).encode(), [FITS, {"unparseable"}]),
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


def test_text_is_utf_8_and_lines_end_as_they_may(spark: SparkSession, settings: Settings) -> None:
    """The same in every compression: a byte order mark at the beginning of a file is none of its text."""
    folder = Path(settings.landing) / "shares" / "hour=2026-06-01T10"
    folder.mkdir(parents=True)
    for name, (content, _) in TEXT.items():
        for suffix, pack in PACKED.items():
            (folder / f"{name}{suffix.replace('.', '~', 1)[1:]}{suffix}").write_bytes(pack(content))
    found = verdicts(spark, settings, SHARES)
    for name, (_, wanted) in TEXT.items():
        mine = [reasons for file, reasons in found.items() if file.startswith(f"{name}jsonl")]
        assert mine == [wanted] * 3, name


def test_what_is_no_text_is_quarantined_as_text_that_python_can_hold(spark: SparkSession, settings: Settings) -> None:
    """Its bytes reach the quarantine and a query of it, without an error."""
    from etl import catalog
    from etl.engine.delta import tables as delta
    from etl.engine.jobs import runner
    from etl.engine.sql import views

    folder = Path(settings.landing) / "shares" / "hour=2026-06-01T10"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(share(1, "café").encode("latin-1") + b"\n" + share(2).encode())
    summary = runner.run(spark, settings, at("10:00"), at("11:00"), tables=["bronze_shares"])
    assert not summary.errors, "one bad record of two holds no hour back"
    (row,) = delta.read(spark, views.uri(settings, catalog.entry("quarantine").table)).collect()
    assert row.reasons == ["unparseable"] and "caf\ufffd" in row.raw
    assert row.landed_hour.replace(tzinfo=UTC)
