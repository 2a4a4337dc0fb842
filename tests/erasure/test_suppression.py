"""Records of an erased viewer in every form they land in: what is read of them, and what is left of the files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from erasure import traces
from lakes import uri
from places import END, START
from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine import delta, runner, suppression
from etl.erasure import landed, register
from etl.errors import LandingError
from etl.privacy import STAND_INS_BELOW

GONE, OTHER = 4711, 4712
SHARES = catalog.entry("bronze_shares").table


def share(share_id: int, **changes: Any) -> str:
    """A share of the erased viewer but for the changes, as a line."""
    record = {
        "share_id": share_id, "original_post_id": 1, "shared_post_id": 2, "viewer_id": GONE,
        "share_ts": START.isoformat(), "channel": "dm",
    }  # fmt: skip
    return json.dumps(record | changes)


LINES = [
    share(1),
    share(2, viewer_id=OTHER),
    share(3, viewer_id=OTHER, original_post_id=GONE),
    share(4, viewer_id=str(GONE)),
    share(5)[:85],
    f"{GONE}, and what follows is nothing",
    share(6, share_ts="yesterday"),
    share(7, viewer_id=int(f"{GONE}0")),
]


@pytest.fixture
def place(spark: SparkSession, settings: Settings) -> Settings:
    """A landing zone with one hour of shares in text and Parquet; the viewer is on the list."""
    folder = Path(settings.landing) / "shares" / "hour=2026-06-01T08"
    folder.mkdir(parents=True)
    (folder / "some.jsonl").write_text("\n".join(LINES) + "\n")
    (folder / "none.jsonl").write_text(share(8, viewer_id=OTHER) + "\n")
    rows = [json.loads(share(9)), json.loads(share(10, viewer_id=OTHER))]
    pq.write_table(pa.Table.from_pylist(rows), folder / "some.parquet")
    register.suppress(spark, f"file://{settings.lake}", GONE)
    return settings.model_copy(update={"quarantine_share": 1.0})


def test_records_of_an_erased_viewer_are_read_as_a_stand_ins(spark: SparkSession, place: Settings) -> None:
    """Each of its own record, and the number of another viewer that only looks like it stays."""
    assert not runner.run(spark, place, START, END, tables=["bronze_shares"]).errors
    found = {r["share_id"]: r["viewer_id"] for r in delta.read(spark, uri(place, "bronze_shares")).collect()}
    stand_ins = {share_id for share_id, viewer in found.items() if viewer < STAND_INS_BELOW}
    assert stand_ins == {1, 9}
    assert {found[i] for i in (2, 3, 8, 10)} == {OTHER} and found[7] == int(f"{GONE}0")


def test_quarantine_keeps_the_record_and_not_its_text(spark: SparkSession, place: Settings) -> None:
    """Counted with its reasons, whether the viewer could be read of it or not."""
    assert not runner.run(spark, place, START, END, tables=["bronze_shares"]).errors
    rows = delta.read(spark, uri(place, "quarantine")).collect()
    assert len(rows) == 4 and all(row["raw"] is None and row["reasons"] for row in rows)


def test_files_that_name_the_viewer_are_written_anew_and_say_the_same_of_posts(
    spark: SparkSession, place: Settings
) -> None:
    """As many accepted and as many quarantined as before; the file without the viewer is the file it was."""
    assert not runner.run(spark, place, START, END, tables=["bronze_shares"]).errors
    before = delta.read(spark, uri(place, "bronze_shares")).drop("source_file").collect()
    untouched = Path(place.landing) / "shares" / "hour=2026-06-01T08" / "none.jsonl"
    stamp = untouched.stat().st_mtime_ns
    clean(spark, place)
    kept = [Path(f).name for f in traces.of(GONE, place.landing)]
    assert kept == ["some.jsonl"]  # for the post of that number, in the record of another viewer
    assert f'"viewer_id": {GONE},' not in untouched.with_name("some.jsonl").read_text()
    assert untouched.stat().st_mtime_ns == stamp
    assert runner.run(spark, place, START, END, tables=["bronze_shares"]).entries == []
    untouched.with_name("late.jsonl").write_text(share(11, viewer_id=OTHER) + "\n")
    again = runner.run(spark, place, START, END, tables=["bronze_shares"])
    after = delta.read(spark, uri(place, "bronze_shares")).where("share_id <> 11").drop("source_file").collect()
    assert sorted(map(str, after)) == sorted(map(str, before))
    assert {e.table_name: e.records_quarantined for e in again.entries}["bronze_shares"] == 4


def clean(spark: SparkSession, place: Settings) -> None:
    """Look through the hour."""
    work = runner.open_work(spark, place)
    known = suppression.load(spark, f"file://{place.lake}")
    assert known
    landed.clean(work, SHARES, known, [START])


def cut(path: Path) -> None:
    """The end of a gzip file is missing."""
    path.with_suffix(".jsonl.gz").write_bytes(gzip.compress("\n".join(LINES * 50).encode())[:-20])


def no_footer(path: Path) -> None:
    """A Parquet file that was never finished."""
    path.with_suffix(".parquet").write_bytes(b"PAR1 and then nothing")


@pytest.mark.parametrize("harm", [cut, no_footer])
def test_a_file_that_cannot_be_read_stops_the_erasure_and_says_so(
    spark: SparkSession, place: Settings, harm: Callable[[Path], None]
) -> None:
    """Nobody can say whether the viewer is in it."""
    harm(Path(place.landing) / "shares" / "hour=2026-06-01T08" / "broken")
    with pytest.raises(LandingError, match="broken"):
        clean(spark, place)


def test_two_viewers_share_a_salt_and_nobody_is_listed_twice(spark: SparkSession, settings: Settings) -> None:
    lake = f"file://{settings.lake}"
    first = register.suppress(spark, lake, GONE)
    both = register.suppress(spark, lake, OTHER)
    assert both.salt == first.salt and len(set(both.digests)) == 2
    assert sorted(register.suppress(spark, lake, OTHER).digests) == sorted(both.digests)
