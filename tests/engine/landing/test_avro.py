"""Avro files of well-known writers land like JSON Lines and Parquet: a value is read when it fits its field."""

from __future__ import annotations

import io
import json
import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest
from pyspark.sql import SparkSession
from support.local_lake import START, local_settings
from support.rows import at
from support.verdicts import verdicts

from etl import catalog
from etl.conf import Settings
from etl.engine.jobs import runner
from etl.engine.landing import reader as landing
from etl.engine.people import suppression
from etl.model.privacy import REPLACEMENT_IDS_BELOW
from etl.operations.erasure import landed as erasure
from etl.operations.erasure import register
from etl.subjects.ads.events import AD_IMPRESSIONS, SPEND_LEDGER
from etl.subjects.feed.events import SHARES

WHEN = datetime(2026, 6, 1, 10, 15, tzinfo=UTC)
MICROS = int(WHEN.timestamp()) * 10**6
FITS: set[str] = set()
WRONG = {"wrong_type:viewer_id"}
Field = tuple[Any, Any]


def logical(stored: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": stored, "logicalType": name, **more}


PLAIN: dict[str, Field] = {
    "share_id": ("long", 1), "original_post_id": ("long", 1), "shared_post_id": ("long", 2), "viewer_id": ("long", 7),
    "share_ts": (logical("long", "timestamp-micros"), WHEN), "channel": (["null", "string"], "link"),
}  # fmt: skip
COLOR = {"type": "enum", "name": "Channel", "symbols": ["link", "dm"]}
SHARE: dict[str, tuple[dict[str, Field], set[str]]] = {
    "plain": ({}, FITS),
    "milliseconds": ({"share_ts": (logical("long", "timestamp-millis"), WHEN)}, FITS),
    "Kafka Connect": (
        {"share_ts": ({"type": "long", "connect.version": 1, "logicalType": "timestamp-millis",
                       "connect.name": "org.apache.kafka.connect.data.Timestamp"}, WHEN),
         "viewer_id": ({"type": "int", "connect.type": "int16"}, 7)}, FITS),
    "without a zone": ({"share_ts": (logical("long", "local-timestamp-micros"), WHEN.replace(tzinfo=None))}, FITS),
    "nanoseconds": ({"share_ts": (logical("long", "timestamp-nanos"), MICROS * 1000)}, FITS),
    "text as in JSON": ({"share_ts": ("string", "2026-06-01T10:15:00Z")}, FITS),
    "the largest number of milliseconds": ({"share_ts": ("MAX", 2**63 - 1)}, {"in_future"}),
    "unions with null": (
        {"viewer_id": (["null", "long"], 7), "share_ts": (["null", PLAIN["share_ts"][0]], WHEN)}, FITS),
    "null last": ({"viewer_id": (["long", "null"], 7)}, FITS),
    "null in a required field": ({"viewer_id": (["null", "long"], None)}, {"missing:viewer_id"}),
    "the type null": ({"viewer_id": ("null", None)}, {"missing:viewer_id"}),
    "int or long": ({"viewer_id": (["int", "long"], 7)}, FITS),
    "long or text": ({"viewer_id": (["long", "string"], 7)}, WRONG),
    "an enum": ({"channel": (COLOR, "dm")}, FITS),
    "a uuid": ({"channel": (logical("string", "uuid"), "8d5f4a4e-3f3c-4d1f-9c35-3f0c9a6f2b11")}, FITS),
    "bytes that are text": ({"channel": ("bytes", b"link")}, FITS),
    "bytes that are not text": ({"channel": ("bytes", b"caf\xe9")}, {"wrong_type:channel"}),
    "NUMBER(38,0)": ({"viewer_id": (logical("bytes", "decimal", precision=38, scale=0), Decimal(7))}, FITS),
    "NUMBER(60,0)": ({"viewer_id": (logical("bytes", "decimal", precision=60, scale=0), Decimal(7))}, WRONG),
    "a decimal with a scale": ({"viewer_id": (logical("bytes", "decimal", precision=9, scale=2), Decimal(7))}, WRONG),
    "a fraction": ({"viewer_id": ("double", 7.0)}, WRONG),
    "text for an id": ({"viewer_id": ("string", "7")}, WRONG),
    "a time for an id": ({"viewer_id": (logical("long", "time-micros"), 7)}, WRONG),
    "an instant for an id": ({"viewer_id": (logical("long", "timestamp-millis"), WHEN)}, WRONG),
    "an id for a timestamp": ({"share_ts": ("long", MICROS)}, {"wrong_type:share_ts"}),
    "in upper and in lower case": ({"VIEWER_ID": ("long", 8)}, WRONG),
    "unknown fields": (
        {"tree": ({"type": "record", "name": "Tree", "fields": [{"name": "next", "type": ["null", "Tree"]}]},
                  {"next": None}),
         "m": ({"type": "map", "values": "long"}, {"a": 1}), "f": ({"type": "fixed", "name": "F", "size": 2}, b"ab"),
         "t": (logical("int", "time-millis"), 1), "l": ({"type": "array", "items": PLAIN["share_ts"][0]}, [WHEN]),
         "landed_hour": ("long", 1), "raw": ("long", 1)}, FITS),
}  # fmt: skip
LISTS: dict[str, tuple[Field, set[str]]] = {
    "longs": (({"type": "array", "items": "long"}, [1, 2]), FITS),
    "ints with null": ((["null", {"type": "array", "items": ["null", "int"]}], [1, None]), FITS),
    "text": (({"type": "array", "items": "string"}, ["1"]), {"wrong_type:experiment_ids"}),
    "instants": (({"type": "array", "items": PLAIN["share_ts"][0]}, [WHEN]), {"wrong_type:experiment_ids"}),
}


def write(file: Path, fields: dict[str, Field], codec: str = "null", rows: int = 1) -> None:
    """Write equal records. The type MAX stands for milliseconds that fastavro itself does not write."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kinds = {name: "long" if kind == "MAX" else kind for name, (kind, _) in fields.items()}
    schema = {"type": "record", "name": "R", "fields": [{"name": n, "type": k} for n, k in kinds.items()]}
    content = io.BytesIO()
    record = {name: value for name, (_, value) in fields.items()}
    fastavro.writer(content, fastavro.parse_schema(schema), [record] * rows, codec=codec)
    text = content.getvalue()
    if "MAX" in [kind for kind, _ in fields.values()]:
        text = with_schema(text, fields)
    file.write_bytes(text)


def with_schema(content: bytes, fields: dict[str, Field]) -> bytes:
    """The same file with a header in which MAX is a timestamp in milliseconds."""
    kinds = {n: logical("long", "timestamp-millis") if k == "MAX" else k for n, (k, _) in fields.items()}
    schema = {"type": "record", "name": "R", "fields": [{"name": n, "type": k} for n, k in kinds.items()]}
    reader = fastavro.block_reader(io.BytesIO(content))
    old = reader.metadata["avro.schema"].encode()
    new = json.dumps(schema).encode()
    return content.replace(zigzag(len(old)) + old, zigzag(len(new)) + new)


def zigzag(number: int) -> bytes:
    """A length as Avro writes it."""
    out, rest = b"", number << 1
    while rest > 127:
        out, rest = out + bytes([rest & 127 | 128]), rest >> 7
    return out + bytes([rest])


@pytest.fixture(scope="module")
def landed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """All files above in one landed hour of each event, and one that Spark wrote."""
    settings = local_settings(tmp_path_factory.mktemp("avro"))
    shares = Path(settings.landing) / "shares" / "hour=2026-06-01T10"
    for name, (fields, _) in SHARE.items():
        write(shares / f"{name}.avro", PLAIN | fields)
    for codec in ("deflate", "snappy"):
        write(shares / f"{codec}.avro", PLAIN, codec)
    plain = spark.read.format("avro").load(str(shares / "plain.avro"))
    plain.write.format("avro").option("compression", "zstandard").save(str(shares / "zstandard"))
    (written,) = (shares / "zstandard").glob("*.avro")
    written.rename(shares / "zstandard.avro")
    shutil.rmtree(shares / "zstandard")
    write(shares / "no rows.avro", PLAIN, rows=0)
    write(shares / "no fields.avro", {})
    ids = ("ad_impression_id", "user_id", "ad_id", "spend_micros")
    shown: dict[str, Field] = {name: ("long", 1) for name in ids}
    shown |= {"surface": ("string", "feed"), "is_valid": ("boolean", True)}
    shown |= {"clearing_cpm": (logical("bytes", "decimal", precision=9, scale=2), Decimal("1.25"))}
    shown |= {"impression_ts": PLAIN["share_ts"]}
    for name, (array, _) in LISTS.items():
        folder = Path(settings.landing) / "ad_impressions" / "hour=2026-06-01T10"
        write(folder / f"{name}.avro", {**shown, "experiment_ids": array})
    day = {"campaign_id": ("long", 1), "billed_usd": ("double", 1.5), "day": (logical("int", "date"), date(2026, 6, 1))}
    write(Path(settings.landing) / "spend_ledger" / "hour=2026-06-01T10" / "day.avro", day)
    return settings


def test_shares_of_every_writer_are_judged_by_their_values(spark: SparkSession, landed: Settings) -> None:
    missing = {f"missing:{f.name}" for f in SHARES.fields if not f.nullable}
    wanted = {name: [reasons] for name, (_, reasons) in SHARE.items()} | {"no fields": [missing]}
    wanted |= {codec: [FITS] for codec in ("deflate", "snappy", "zstandard")}
    assert verdicts(spark, landed, SHARES) == wanted
    alone = "Kafka Connect"
    assert verdicts(spark, landed, SHARES, alone) == {alone: wanted[alone]}, "the same without the other files"


def test_lists_decimals_and_days_are_read(spark: SparkSession, landed: Settings) -> None:
    assert verdicts(spark, landed, AD_IMPRESSIONS) == {name: [reasons] for name, (_, reasons) in LISTS.items()}
    assert verdicts(spark, landed, SPEND_LEDGER) == {"day": [FITS]}
    (part,) = landing.listing(spark, landed, AD_IMPRESSIONS, [at("10:00")])
    prices = landing.read(spark, landed, AD_IMPRESSIONS, [part]).select("clearing_cpm").distinct().collect()
    assert [r.clearing_cpm for r in prices] == [1.25]


def test_a_damaged_file_is_unreadable(spark: SparkSession, settings: Settings) -> None:
    """Cut within a block, with other bytes in a block, without a header, of another schema than a record, empty."""
    shares = Path(settings.landing) / "shares" / "hour=2026-06-01T10"
    write(shares / "good.avro", PLAIN, "deflate", rows=100)
    whole = (shares / "good.avro").read_bytes()
    damaged = {
        "cut": whole[:-20], "other bytes": whole[:-40] + b"\0" * 24 + whole[-16:], "no header": whole[9:], "empty": b"",
    }  # fmt: skip
    for name, content in damaged.items():
        (shares / f"{name}.avro").write_bytes(content)
    text = io.BytesIO()
    fastavro.writer(text, fastavro.parse_schema("string"), ["x"])
    (shares / "no records.avro").write_bytes(text.getvalue())
    found = landing.unreadable(spark, landing.listing(spark, settings, SHARES, [at("10:00")]))
    assert sorted(file.name for _, file in found) == sorted(f"{name}.avro" for name in [*damaged, "no records"])


GONE, OTHER = 4711000000017, 4711000000018
BRONZE = catalog.entry("bronze_shares").table
NOTE: Field = ({"type": "record", "name": "Note", "fields": [{"name": "by", "type": ["null", "string"]}]}, {"by": "x"})


def person(viewer: int, share_id: int) -> dict[str, Any]:
    return {"share_id": share_id, "original_post_id": 1, "shared_post_id": 2, "viewer_id": viewer, "share_ts": START,
            "channel": "dm", "note": {"by": "x"}, "price": Decimal("1.25")}  # fmt: skip


def test_a_person_is_erased_from_an_avro_file(spark: SparkSession, settings: Settings) -> None:
    """The file keeps its schema, logical types, codec and other records; a file without the person is not written."""
    fields = PLAIN | {
        "channel": (COLOR, 0),
        "note": NOTE,
        "price": (logical("bytes", "decimal", precision=9, scale=2), 0),
    }
    schema = {"type": "record", "name": "R", "fields": [{"name": n, "type": k} for n, (k, _) in fields.items()]}
    folder = Path(settings.landing) / "shares" / "hour=2026-06-01T08"
    folder.mkdir(parents=True)
    for name, people in {"both": (GONE, OTHER), "other": (OTHER, OTHER)}.items():
        with (folder / f"{name}.avro").open("wb") as file:
            rows = [person(viewer, number) for number, viewer in enumerate(people, len(name))]
            fastavro.writer(file, fastavro.parse_schema(schema), rows, codec="deflate")
    untouched = (folder / "other.avro").read_bytes()
    register.suppress(spark, f"file://{settings.lake}", [GONE])
    known = suppression.load(spark, f"file://{settings.lake}")
    assert known
    result = erasure.clean(runner.open_context(spark, settings), BRONZE, known, [START])
    assert result.records == {"shares/2026-06-01T08/both.avro": 1} and not result.unread
    with (folder / "both.avro").open("rb") as file:
        reader = fastavro.reader(file)
        found: list[Any] = list(reader)
    assert reader.codec == "deflate" and found[1] == person(OTHER, 5)
    assert found[0] | {"viewer_id": GONE} == person(GONE, 4) and found[0]["viewer_id"] < REPLACEMENT_IDS_BELOW
    assert (folder / "other.avro").read_bytes() == untouched
