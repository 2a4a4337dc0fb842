"""`validate` says about a file what landing does with it, without a lake, and writes nothing."""

from __future__ import annotations

import gzip
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pyspark.sql import SparkSession
from support.rows import at

from etl.conf import Settings
from etl.engine.landing import faults
from etl.engine.landing import reader as landing
from etl.model.contract import Event
from etl.producers import contract
from etl.producers.validate import ONE_SPLIT, Judge
from etl.producers.verdict import Verdict
from etl.subjects.feed.events import IMPRESSIONS, SHARES
from etl.subjects.feed.simulate import simulate

HOUR = at("10:00")


def share(**changes: Any) -> str:
    record = {"share_id": 1, "original_post_id": 1, "shared_post_id": 2, "viewer_id": 7, "channel": "link"}
    return json.dumps(record | {"share_ts": "2026-06-01T10:15:00Z"} | changes)


def judged(spark: SparkSession, settings: Settings, file: Path, event: Event = SHARES, **options: Any) -> Verdict:
    return Judge(spark, settings, event, **{"hour": HOUR} | options).file(str(file))


LINES = [share(), "", share(viewer_id="x"), share(share_ts="2026-06-02T10:00:00Z"), "{broken", share(share_id=None)]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_each_refused_record_has_its_line_reasons_and_value(
    spark: SparkSession, settings: Settings, tmp_path: Path, suffix: str
) -> None:
    """Empty lines count as lines. Values of people are described, not shown."""
    text = "\n".join(LINES).encode()
    pack = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}.get(suffix[6:], bytes)
    (tmp_path / f"a{suffix}").write_bytes(pack(text))
    found = judged(spark, settings, tmp_path / f"a{suffix}")
    assert (found.read, found.accepted, found.refused, found.stops_hour) == (5, 1, 4, True)
    assert {r.line: (r.reasons, r.values) for r in found.records} == {
        3: (["wrong_type:viewer_id"], {"viewer_id": "text of 1 characters"}),
        4: (["in_future"], {"share_ts": '"2026-06-02T10:00:00Z"'}),
        5: (["unparseable"], {"(record)": "text of 7 characters"}),
        6: (["missing:share_id"], {}),
    }
    assert found.reasons["in_future"] == 1 and not found.passes
    shown = judged(spark, settings, tmp_path / f"a{suffix}", max_records=1, show_personal=True)
    assert [r.values for r in shown.records] == [{"viewer_id": '"x"'}]


THEIRS: dict[str, Any] = {
    "user_id": [7, 8], "item_id": [1, 2], "ts": [HOUR, HOUR], "position": [0, 70_000], "surface": ["feed", "feed"],
    "predicted_score": [0.5, 0.25],
}  # fmt: skip


def test_a_log_with_other_names_learns_what_to_rename(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    pq.write_table(pa.table(THEIRS), tmp_path / "log.parquet")
    found = judged(spark, settings, tmp_path / "log.parquet", IMPRESSIONS)
    assert found.unknown == {
        "item_id": "post_id", "position": "feed_position", "ts": "impression_ts", "user_id": "viewer_id"
    }  # fmt: skip
    assert set(found.missing) == {
        "impression_id", "viewer_id", "post_id", "feed_position", "ranker_model_id", "impression_ts"
    }  # fmt: skip
    assert [record.line for record in found.records] == [1, 2]


def test_rows_of_columnar_files_have_numbers(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    rows = [json.loads(share(share_id=None if n == 30 else n)) for n in range(1, 41)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=7)
    kinds = [(name, ["null", "string" if isinstance(value, str) else "long"]) for name, value in rows[0].items()]
    schema = {"type": "record", "name": "R", "fields": [{"name": n, "type": k} for n, k in kinds]}
    with (tmp_path / "a.avro").open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), rows, sync_interval=64)
    for name in ("a.parquet", "a.avro"):
        found = judged(spark, settings, tmp_path / name)
        assert [(r.line, r.reasons) for r in found.records] == [(30, ["missing:share_id"])], name
        assert found.read == 40


def test_a_problem_of_the_whole_file_is_one_line(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    whole = io.BytesIO()
    pq.write_table(pa.table(THEIRS), whole)
    contents = {
        "a.csv": b"1,2", "cut.parquet": whole.getvalue()[:-9], "cut.jsonl.gz": gzip.compress(b"{}\n" * 999)[:-9],
        "empty.avro": b"", "utf16.jsonl": "\n".join(LINES).encode("utf-16"),
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.parquet").mkdir()
    found = {f: judged(spark, settings, tmp_path / f) for f in [*contents, "folder.parquet", "gone.jsonl"]}
    assert {name: verdict.problem.split(" (")[0].split(":")[0] for name, verdict in found.items()} == {
        "a.csv": "is of no landing format", "cut.parquet": "cannot be read to its end",
        "cut.jsonl.gz": "cannot be read to its end", "empty.avro": "cannot be read to its end",
        "utf16.jsonl": "no line is a JSON object in UTF-8", "folder.parquet": "is a folder",
        "gone.jsonl": "does not exist",
    }  # fmt: skip
    assert not any(v.passes or "\n" in v.problem for v in found.values())


@pytest.mark.parametrize(("hour", "folder", "reasons"), [
    (None, "", {}), (None, "hour=2026-07-01T10", {"too_late": 1}), (HOUR, "hour=2026-07-01T10", {}),
])  # fmt: skip
def test_times_are_compared_with_a_landed_hour_that_is_known(
    spark: SparkSession, settings: Settings, tmp_path: Path, hour: datetime | None, folder: str, reasons: dict[str, int]
) -> None:
    file = tmp_path / folder / "a.jsonl"
    file.parent.mkdir(exist_ok=True)
    file.write_text(share())
    found = judged(spark, settings, file, hour=hour)
    assert found.reasons == reasons and (found.hour is None) == (not hour and not folder)
    assert found.last and found.last.startswith("2026-06-01 10:15")


def test_the_verdicts_are_those_of_landing(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    """On simulated files with every kind of bad record; afterwards no lake exists, and options are as before."""
    zone = settings.model_copy(update={"landing": str(tmp_path / "zone")})
    simulate(tmp_path / "zone", at("10:00"), at("11:00"), 300, 7)
    before = {name: spark.conf.get(name) for name in ONE_SPLIT}
    (part,) = landing.listing(spark, zone, IMPRESSIONS, [HOUR])
    parsed = landing.read(spark, zone, IMPRESSIONS, [part])
    bad = parsed.where(faults.is_bad(IMPRESSIONS, zone)).count()
    found = [judged(spark, zone, Path(f.uri.removeprefix("file:")), IMPRESSIONS, hour=None) for f in part.files]
    assert sum(v.refused for v in found) == bad > 0 and sum(v.read for v in found) == parsed.count()
    assert {v.hour for v in found} == {"2026-06-01T10"}
    assert not Path(zone.lake).exists() and {name: spark.conf.get(name) for name in ONE_SPLIT} == before


def test_the_example_of_an_event_passes(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(contract.example(IMPRESSIONS, settings)))
    assert judged(spark, settings, tmp_path / "a.jsonl", IMPRESSIONS).passes
