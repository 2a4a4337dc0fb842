"""Records of an erased viewer, in every form in which they land: what a run reads, and what a rewrite leaves."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support import traces
from support.lakes import uri
from support.local_lake import END, START

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.people import keyed, keys, suppression
from etl.model.privacy import REPLACEMENT_IDS_BELOW
from etl.operations.erasure import landed, register

GONE, OTHER = 4711000000017, 4711000000018
SHARES = catalog.entry("bronze_shares").table


def share(share_id: int, **changes: Any) -> str:
    """A share of the erased viewer, with changes, as a line."""
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
    share(5).partition('"share_ts"')[0],
    f"{GONE}, and what follows is nothing",
    share(6, share_ts="yesterday"),
    share(7, viewer_id=int(f"{GONE}0")),
]
ODD = {
    "nested": [
        share(21, context={"user_id": 5}),
        share(22, viewer_id=OTHER, context={"user_id": GONE}),
    ],
    "twice": [share(23).replace('"viewer_id"', '"viewer_id": 5, "viewer_id"')],
    "escaped": [share(24).replace("viewer_id", "viewer\\u005fid")],
}
NAMES = ["so me", "[a]{x}#ä 50%", "100%25"]


@pytest.fixture
def place(spark: SparkSession, settings: Settings) -> Settings:
    """A landing zone with one hour of shares in text and Parquet. The viewer is on the suppression list."""
    folder = Path(settings.landing) / "shares" / "hour=2026-06-01T08"
    folder.mkdir(parents=True)
    (folder / "some.jsonl").write_text("\n".join(LINES) + "\n")
    (folder / "none.jsonl").write_text(share(8, viewer_id=OTHER) + "\n")
    rows = [json.loads(share(9)), json.loads(share(10, viewer_id=OTHER))]
    pq.write_table(pa.Table.from_pylist(rows), folder / "some.parquet")
    register.suppress(spark, f"file://{settings.lake}", [GONE])
    return settings.model_copy(update={"quarantine_share": 1.0})


def test_records_of_an_erased_viewer_are_read_with_replacement_ids(spark: SparkSession, place: Settings) -> None:
    """Each post gives its own replacement id. An id that only starts with the same digits stays."""
    assert not runner.run(spark, place, START, END, tables=["bronze_shares"]).errors
    found = {r["share_id"]: r["viewer_id"] for r in delta.read(spark, uri(place, "bronze_shares")).collect()}
    replacement_ids = {share_id for share_id, viewer in found.items() if viewer < REPLACEMENT_IDS_BELOW}
    assert replacement_ids == {1, 9}
    assert {found[i] for i in (2, 3, 8, 10)} == {OTHER} and found[7] == int(f"{GONE}0")


def test_quarantine_keeps_a_record_of_the_viewer_without_its_text(spark: SparkSession, place: Settings) -> None:
    """The record counts with its reasons, whether its viewer could be parsed or not."""
    assert not runner.run(spark, place, START, END, tables=["bronze_shares"]).errors
    rows = delta.read(spark, uri(place, "quarantine")).collect()
    assert len(rows) == 4 and all(row["raw"] is None and row["reasons"] for row in rows)


def test_rewritten_files_give_the_same_rows_of_posts(spark: SparkSession, place: Settings) -> None:
    """As many records are accepted and quarantined as before. The file without the viewer is not rewritten."""
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


def clean(spark: SparkSession, place: Settings) -> landed.CleanResult:
    """Erase the viewer from the landed hour."""
    run_context = runner.open_context(spark, place)
    known = suppression.load(spark, f"file://{place.lake}")
    assert known
    return landed.clean(run_context, SHARES, known, [START])


def cut(path: Path) -> None:
    """Write a gzip file whose end is missing."""
    path.with_suffix(".jsonl.gz").write_bytes(gzip.compress("\n".join(LINES * 50).encode())[:-20])


def no_footer(path: Path) -> None:
    """Write a Parquet file without its footer."""
    path.with_suffix(".parquet").write_bytes(b"PAR1 and then nothing")


def unknown(path: Path) -> None:
    """Write a file in a format that no run reads."""
    path.with_suffix(".csv").write_text(f"1,2,{GONE}")


def link(path: Path) -> None:
    """Make a link to a file outside of the landing zone."""
    elsewhere = path.parents[3] / "elsewhere.jsonl"
    elsewhere.write_text(share(9))
    path.with_suffix(".jsonl").symlink_to(elsewhere)


@pytest.mark.parametrize("harm", [cut, no_footer, unknown, link])
def test_an_unreadable_file_is_reported_and_the_others_are_rewritten(
    spark: SparkSession, place: Settings, harm: Callable[[Path], None]
) -> None:
    """The unreadable file may name the viewer."""
    harm(Path(place.landing) / "shares" / "hour=2026-06-01T08" / "broken")
    found = clean(spark, place)
    assert [Path(name).name.split(".")[0] for name in found.unread] == ["broken"]
    assert set(found.records) == {f"shares/2026-06-01T08/some.{kind}" for kind in ("jsonl", "parquet")}


def test_files_that_no_run_reads_are_reported(spark: SparkSession, place: Settings) -> None:
    """These are half-written files of a producer, and files outside of hour folders."""
    shares = Path(place.landing) / "shares"
    (shares / "hour=2026-06-01T08" / "_tmp.jsonl").write_text(share(1))
    (shares / "hour=2026-6-1T8").mkdir()
    (shares / "hour=2026-6-1T8" / "some.jsonl").write_text(share(1))
    assert SHARES.event
    found = landed.unlisted(runner.open_context(spark, place), SHARES.event, [START])
    assert found == ["shares/hour=2026-06-01T08/_tmp.jsonl", "shares/hour=2026-6-1T8/some.jsonl"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_special_characters_in_its_name_is_rewritten(
    spark: SparkSession, place: Settings, name: str
) -> None:
    folder = Path(place.landing) / "shares" / "hour=2026-06-01T08"
    for kind in ("jsonl", "parquet"):
        (folder / f"some.{kind}").rename(folder / f"{name}.{kind}")
    assert set(clean(spark, place).records) == {f"shares/2026-06-01T08/{name}.{kind}" for kind in ("jsonl", "parquet")}
    assert traces.of(GONE, place.landing) == [str(folder / f"{name}.jsonl")]  # the post of that number, of another


@pytest.mark.parametrize("kind", ODD)
def test_the_reader_of_records_decides_whom_a_record_is_about(spark: SparkSession, place: Settings, kind: str) -> None:
    """Keys are nested, repeated or escaped. The viewer is erased; other people in the record stay."""
    file = emptied_hour(place) / "odd.jsonl"
    file.write_text("\n".join(ODD[kind]) + "\n")
    clean(spark, place)
    assert traces.of(GONE, place.landing) == []
    lines = file.read_text().splitlines()
    assert len(lines) == len(ODD[kind])
    if kind == "nested":
        first, second = map(json.loads, lines)
        assert first["viewer_id"] < REPLACEMENT_IDS_BELOW and first["context"] == {"user_id": 5}
        assert second["viewer_id"] == OTHER and second["context"]["user_id"] < REPLACEMENT_IDS_BELOW


def test_a_viewer_is_erased_from_columns_of_any_case_and_type(spark: SparkSession, place: Settings) -> None:
    """The row of the other viewer is unchanged."""
    folder = emptied_hour(place)
    odd: dict[str, list[dict[str, Any]]] = {
        "case": [{"Viewer_ID": GONE, "original_post_id": 1}, {"Viewer_ID": OTHER, "original_post_id": 1}],
        "text": [{"viewer_id": str(GONE), "share_id": 3}, {"viewer_id": str(OTHER), "share_id": 4}],
        "deep": [{"viewer_id": {"id": GONE}, "share_id": 5}, {"viewer_id": {"id": OTHER}, "share_id": 6}],
        "none": [{"viewer": GONE, "share_id": 7}, {"viewer": OTHER, "share_id": 8}],
    }
    for name, rows in odd.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    clean(spark, place)
    assert traces.of(GONE, place.landing) == []
    kept = {name: pq.ParquetFile(folder / f"{name}.parquet").read().to_pylist()[1] for name in odd}
    assert kept == {name: rows[1] for name, rows in odd.items()}


def emptied_hour(place: Settings) -> Path:
    """Remove the files of the hour. Returns its folder."""
    folder = Path(place.landing) / "shares" / "hour=2026-06-01T08"
    for file in folder.iterdir():
        file.unlink()
    return folder


def test_a_person_is_on_the_list_only_once(spark: SparkSession, settings: Settings) -> None:
    lake = f"file://{settings.lake}"
    register.suppress(spark, lake, [GONE])
    register.suppress(spark, lake, [OTHER, GONE])
    both = register.suppress(spark, lake, [OTHER])
    assert both.digests and sorted(r[0] for r in both.digests.collect()) == sorted(digests(lake, GONE, OTHER))


def digests(lake: str, *people: int) -> list[int]:
    """Digests of people with the key of the list."""
    secret = keys.read(keys.key_file(lake, "erasure"))
    return [keyed.number(secret, suppression.ERASED, person) for person in people]


def test_a_run_is_refused_without_the_key_of_the_list(spark: SparkSession, place: Settings) -> None:
    """Without this check, erased people would come back."""
    file = keys.key_file(place.lake, "erasure")
    file.rename(file.with_name("elsewhere"))
    summary = runner.run(spark, place, START, END, tables=["bronze_shares"])
    assert str(file) in str(summary.errors["bronze_shares"])


def test_a_list_is_joined_and_never_inlined_in_a_query_plan(spark: SparkSession, settings: Settings) -> None:
    """A plan with 20,000 digests as literals took minutes."""
    lake = f"file://{settings.lake}"
    known = register.suppress(spark, lake, range(2000, 5000))
    ids = spark.range(1990, 2010)
    checked = ids.withColumn("gone", known.has(F.col("id")))
    assert {r["id"] for r in checked.where("gone").collect()} == set(range(2000, 2010))
    plan = checked._jdf.queryExecution().toString()
    assert "BroadcastHashJoin" in plan and "ExistenceJoin" in plan and len(plan) < 50_000
    assert not [digest for digest in digests(lake, *range(2000, 2010)) if str(digest) in plan]


SALT = "5a17" * 16


def test_a_salted_list_of_an_earlier_release_works_and_is_converted(spark: SparkSession, settings: Settings) -> None:
    """Its people keep their replacement ids. After the conversion nobody can find them by trying ids."""
    lake = f"file://{settings.lake}"
    row = (SALT, 0, hashlib.sha256(f"{SALT}:{GONE}".encode()).hexdigest(), START)
    former = spark.createDataFrame([row], "salt STRING, bucket INT, digest STRING, erased_at TIMESTAMP")
    former.write.format("delta").save(suppression.former_list_uri(lake))
    mixed = hashlib.sha256(f"{SALT}:{GONE}:7".encode()).hexdigest()
    replaced = REPLACEMENT_IDS_BELOW - 1 - int(mixed[:15], 16)
    ids = spark.createDataFrame([(GONE,), (OTHER,), (5,), (None,)], "id BIGINT")

    def has_and_replacement() -> dict[int | None, tuple[bool, int]]:
        known = suppression.load(spark, lake)
        assert known
        made = ids.select("id", known.has(F.col("id")), known.replacement(F.col("id"), F.lit(7)))
        assert sorted(known.erased_among(ids).ids) == sorted(r[0] for r in made.collect() if r[1])
        return {r[0]: (r[1], r[2]) for r in made.collect()}

    before = has_and_replacement()
    assert before[GONE] == (True, replaced) and not before[OTHER][0] and not before[None][0]
    assert register.convert(spark, lake) and not register.convert(spark, lake)
    assert has_and_replacement()[GONE] == (True, replaced)
    assert traces.of(row[2], settings.lake) == []
    register.suppress(spark, lake, [OTHER])
    after = has_and_replacement()
    assert after[GONE] == (True, replaced) and after[OTHER][0] and after[OTHER][1] < REPLACEMENT_IDS_BELOW
    assert not after[5][0] and not after[None][0]
