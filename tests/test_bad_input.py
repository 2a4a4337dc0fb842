"""Bad landing files: the file and the reason are reported, and good records are kept or the hour is stopped."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from etl.engine.sql import views
from etl.errors import GateFailed

START, END = datetime(2026, 6, 1, 10, tzinfo=UTC), datetime(2026, 6, 1, 11, tzinfo=UTC)
TABLES = ["bronze_shares", "fct_shares"]


def share(number: int, **changed: Any) -> dict[str, Any]:
    """A valid share record with some changes."""
    valid = {
        "share_id": number,
        "original_post_id": 1,
        "shared_post_id": 1000 + number,
        "viewer_id": 7,
        "share_ts": "2026-06-01T10:15:00.000000+00:00",
        "channel": None,
    }
    return {**valid, **changed}


def lines(records: list[dict[str, Any]]) -> bytes:
    """Records as JSON Lines."""
    return "".join(json.dumps(r) + "\n" for r in records).encode()


def land(settings: Settings, name: str, content: bytes, hour: str = "2026-06-01T10") -> Path:
    """Put a file of shares into a landed hour."""
    folder = Path(settings.landing) / "shares" / f"hour={hour}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def rows(spark: SparkSession, settings: Settings, table: str) -> list[Any]:
    """All rows of a table."""
    return delta.read(spark, views.uri(settings, catalog.entry(table).table)).collect()


def run(spark: SparkSession, settings: Settings) -> Summary:
    """Run the hour for the tables of shares."""
    return runner.run(spark, settings, START, END, tables=TABLES)


def test_plain_gzip_zstd_and_parquet_files_give_the_same_rows(spark: SparkSession, settings: Settings) -> None:
    """One share in each format gives four rows."""
    land(settings, "a.jsonl", lines([share(1)]))
    land(settings, "b.jsonl.gz", gzip.compress(lines([share(2)])))
    land(settings, "c.jsonl.zst", zstandard.compress(lines([share(3)])))
    typed = {**share(4), "share_ts": datetime(2026, 6, 1, 10, 15, tzinfo=UTC)}
    path = land(settings, "d.parquet", b"")
    pq.write_table(pa.Table.from_pylist([typed]), path)
    assert not run(spark, settings).errors
    assert sorted(r["share_id"] for r in rows(spark, settings, "fct_shares")) == [1, 2, 3, 4]


UNREADABLE = {
    "cut.jsonl.gz": gzip.compress(lines([share(n) for n in range(2000)]), mtime=0)[:-30],
    "plain.jsonl.gz": lines([share(1)]),
    "cut.jsonl.zst": zstandard.compress(lines([share(n) for n in range(2000)]))[:-30],
    "text.parquet": lines([share(1)]),
    "empty.parquet": b"",
    "footless.parquet": b"PAR1" + b"\0" * 100,
    "table.csv": b"share_id\n1\n",
}


def test_unreadable_files_are_quarantined_by_name_and_stop_the_hour(spark: SparkSession, settings: Settings) -> None:
    """Every file is in quarantine, the audit names each one, and nothing of the hour is published."""
    land(settings, "good.jsonl", lines([share(n) for n in range(5)]))
    for name, content in UNREADABLE.items():
        land(settings, name, content)
    summary = run(spark, settings)
    error = summary.errors["bronze_shares"]
    assert isinstance(error, GateFailed) and all(name in str(error) for name in UNREADABLE)
    assert summary.skipped == {"fct_shares": "bronze_shares"}
    found = rows(spark, settings, "quarantine")
    assert sorted(r["source_file"].rsplit("/", 1)[1] for r in found) == sorted(UNREADABLE)
    assert all(r["reasons"] == ["unreadable_file"] for r in found)
    assert rows(spark, settings, "bronze_shares") == [] == rows(spark, settings, "fct_shares")


def test_a_repaired_file_lets_the_hour_be_published(spark: SparkSession, settings: Settings) -> None:
    """After the repair, the next run publishes the hour, and its quarantine is empty again."""
    bad = land(settings, "cut.jsonl.gz", gzip.compress(lines([share(1)]))[:-9])
    assert "bronze_shares" in run(spark, settings).errors
    bad.write_bytes(gzip.compress(lines([share(1)])))
    assert not run(spark, settings).errors
    assert len(rows(spark, settings, "fct_shares")) == 1
    assert rows(spark, settings, "quarantine") == []


def test_one_bad_record_of_many_does_not_fail_the_hour(spark: SparkSession, settings: Settings) -> None:
    """The 150 good records are kept. The bad one is quarantined with its text and all its reasons."""
    bad = share(200, viewer_id="nobody", share_ts="yesterday")
    land(settings, "a.jsonl", lines([share(n) for n in range(150)] + [bad]))
    assert not run(spark, settings).errors
    (kept,) = rows(spark, settings, "quarantine")
    assert sorted(kept["reasons"]) == ["wrong_type:share_ts", "wrong_type:viewer_id"]
    assert json.loads(kept["raw"]) == bad
    assert len(rows(spark, settings, "fct_shares")) == 150


def test_more_than_the_allowed_share_of_bad_records_stops_the_hour(spark: SparkSession, settings: Settings) -> None:
    """Two of a hundred records are bad: the error names both numbers."""
    land(settings, "a.jsonl", lines([share(n) for n in range(98)]) + b"{not json\n[]\n")
    error = run(spark, settings).errors["bronze_shares"]
    assert isinstance(error, GateFailed) and "quarantine_share: 2 of 100" in str(error)
    assert rows(spark, settings, "bronze_shares") == []


def test_one_bad_record_never_stops_an_hour(spark: SparkSession, settings: Settings) -> None:
    """Even among few records: one of two is quarantined, and the other one is published."""
    land(settings, "a.jsonl", lines([share(1), share(2, viewer_id=None)]))
    assert not run(spark, settings).errors
    assert [row["share_id"] for row in rows(spark, settings, "fct_shares")] == [1]
    assert [row["reasons"] for row in rows(spark, settings, "quarantine")] == [["missing:viewer_id"]]


def test_a_gzip_file_named_as_plain_text_is_unparseable(spark: SparkSession, settings: Settings) -> None:
    """Its bytes are no records: they are quarantined, and the hour is stopped."""
    land(settings, "a.jsonl", gzip.compress(lines([share(n * 7919) for n in range(2000)]), mtime=0))
    assert isinstance(run(spark, settings).errors["bronze_shares"], GateFailed)
    assert {tuple(r["reasons"]) for r in rows(spark, settings, "quarantine")} == {("unparseable",)}


def test_parquet_records_with_a_wrong_type_or_a_missing_column_are_quarantined_one_by_one(
    spark: SparkSession, settings: Settings
) -> None:
    """A file with another schema next to a valid file: its records are quarantined with field and reason."""
    land(settings, "good.jsonl", lines([share(n) for n in range(200)]))
    odd = {k: v for k, v in share(900).items() if k not in ("channel", "original_post_id")}
    typed = {**odd, "viewer_id": "x", "share_ts": datetime(2026, 6, 1, 10, 15, tzinfo=UTC)}
    pq.write_table(pa.Table.from_pylist([typed]), land(settings, "odd.parquet", b""))
    assert not run(spark, settings).errors
    (kept,) = rows(spark, settings, "quarantine")
    assert sorted(kept["reasons"]) == ["missing:original_post_id", "wrong_type:viewer_id"]


@pytest.mark.parametrize(("viewer", "reasons"), [(7, []), ("x", [["wrong_type:viewer_id"]])])
def test_each_parquet_file_is_checked_against_its_own_schema(
    spark: SparkSession, settings: Settings, viewer: Any, reasons: list[list[str]]
) -> None:
    """One file lacks an optional column, one has an unknown column, one has a column of another type."""
    given = {"share_ts": datetime(2026, 6, 1, 10, 15, tzinfo=UTC)}
    good = [share(n, **given) for n in range(200)]
    short = {k: v for k, v in share(200, **given).items() if k != "channel"}
    odd = share(201, **given, viewer_id=viewer, nobody_knows=1)
    for name, records in (("good", good), ("short", [short]), ("odd", [odd])):
        pq.write_table(pa.Table.from_pylist(records), land(settings, f"{name}.parquet", b""))
    assert not run(spark, settings).errors
    accepted = sorted(row["share_id"] for row in rows(spark, settings, "bronze_shares"))
    assert accepted == list(range(201 if reasons else 202))
    assert [row["reasons"] for row in rows(spark, settings, "quarantine")] == reasons


def test_empty_files_blank_files_and_empty_hours_have_no_records(spark: SparkSession, settings: Settings) -> None:
    """Files without records are no error: the hour is published empty."""
    land(settings, "empty.jsonl", b"")
    land(settings, "blank.jsonl", b"\n\n  \n")
    land(settings, "empty.jsonl.gz", gzip.compress(b""))
    assert not run(spark, settings).errors
    assert rows(spark, settings, "bronze_shares") == []


def test_values_out_of_range_are_quarantined_and_do_not_overflow(spark: SparkSession, settings: Settings) -> None:
    """Numbers beyond 64 bits and invalid dates get a reason, and never give a wrong row."""
    huge = lines([share(300, viewer_id=2**70), share(301, share_ts="2026-13-45T10:00:00.000000+00:00")])
    land(settings, "a.jsonl", lines([share(n) for n in range(250)]) + huge)
    assert not run(spark, settings).errors
    found = {tuple(r["reasons"]) for r in rows(spark, settings, "quarantine")}
    assert found == {("wrong_type:viewer_id",), ("wrong_type:share_ts",)}


def test_with_hour_by_hour_a_bad_hour_does_not_hold_back_other_hours(spark: SparkSession, settings: Settings) -> None:
    """The hour with a broken file fails its audit; the next hour is published."""
    land(settings, "broken.jsonl.gz", gzip.compress(lines([share(1)]))[:-10])
    land(settings, "good.jsonl", lines([share(2, share_ts="2026-06-01T11:15:00+00:00")]), hour="2026-06-01T11")
    summary = runner.run_hours(spark, settings, START, END + timedelta(hours=1), runner.Choice(TABLES))
    assert isinstance(summary.errors["bronze_shares"], GateFailed)
    assert [row["share_id"] for row in rows(spark, settings, "fct_shares")] == [2]
