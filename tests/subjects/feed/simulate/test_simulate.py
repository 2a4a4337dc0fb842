"""The landing files of a simulated feed: deterministic, in every format, with bad records of every kind."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import pytest
from support.read_back import EVENT_TIME, HOUR, RANGES, SETS, START, Feed, Row

from etl.errors import ConfigError, LandingError
from etl.subjects.feed.simulate import simulate


def test_equal_arguments_write_equal_bytes(tmp_path: Path) -> None:
    trees = []
    for name in ("one", "two"):
        simulate(tmp_path / name, START, START + 2 * HOUR, 300, seed=3)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        trees.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert trees[0] == trees[1]


def test_another_seed_gives_another_feed(tmp_path: Path) -> None:
    ids = []
    for seed in (1, 2):
        simulate(tmp_path / str(seed), START, START + HOUR, 100, seed)
        ids.append((tmp_path / str(seed) / "_truth" / "fct_impressions.jsonl").read_text())
    assert ids[0] != ids[1]


def test_a_folder_accepts_only_one_scenario(tmp_path: Path) -> None:
    simulate(tmp_path, START, START + HOUR, 50, seed=1)
    with pytest.raises(LandingError, match="another scenario"):
        simulate(tmp_path, START, START + HOUR, 50, seed=2)


@pytest.mark.parametrize(
    ("start", "parameters"),
    [(START.replace(tzinfo=None), {}), (START + timedelta(minutes=5), {}), (START, {"bad_share": 0.02})],
    ids=["start without an offset", "start within an hour", "more bad records than the gate allows"],
)
def test_an_invalid_scenario_is_rejected(tmp_path: Path, start: datetime, parameters: Row) -> None:
    with pytest.raises(ConfigError):
        simulate(tmp_path, start, start + 2 * HOUR, 10, 1, **parameters)


def test_every_file_format_is_used(feed: Feed) -> None:
    suffixes = {record.file.split(".", 1)[1] for record in feed.records}
    assert suffixes == {"jsonl", "jsonl.gz", "jsonl.zst", "parquet"}


def test_a_file_has_the_viewers_of_the_partition_in_its_name(feed: Feed) -> None:
    for record in feed.records:
        if record.event in EVENT_TIME and not record.reasons and record.row:
            digest = blake2b(f"v:{record.row['viewer_id']}".encode(), digest_size=8).digest()
            assert f"-p{int.from_bytes(digest, 'big') % 4:04d}" in record.file


def test_the_quarantine_reasons_of_the_files_equal_the_truth(feed: Feed) -> None:
    found = Counter((r.event, r.hour, reason) for r in feed.records for reason in r.reasons)
    expected = {
        (row["event"], datetime.fromisoformat(row["landed_hour"]), row["reason"]): row["records"]
        for row in feed.truth("quarantine")
    }
    assert dict(found) == expected


def test_accepted_and_quarantined_records_add_up_to_all_records(feed: Feed) -> None:
    read = Counter((record.event, record.hour) for record in feed.records)
    bad = Counter((record.event, record.hour) for record in feed.records if record.reasons)
    for row in feed.truth("landing"):
        cell = row["event"], datetime.fromisoformat(row["landed_hour"])
        assert (row["records"], row["quarantined"]) == (read.pop(cell), bad[cell])
        assert row["accepted"] + row["quarantined"] == row["records"]
        assert row["quarantined"] < 0.005 * row["records"]
    assert not read
    assert sum(feed.summary.records.values()) == len(feed.records)


def test_every_quarantine_reason_occurs(feed: Feed) -> None:
    codes = {reason.split(":")[0] for record in feed.records for reason in record.reasons}
    assert codes == {
        "unparseable", "missing", "wrong_type", "out_of_set", "out_of_range", "undo_without_original_ts",
        "id_time_mismatch", "in_future", "too_late",
    }  # fmt: skip
    ranged = {reason for record in feed.records for reason in record.reasons if reason.startswith("out_of_")}
    # deployed_pct is never wrong here: an hour has too few ranker records for a bad one.
    assert ranged >= {f"out_of_range:{name}" for name in (RANGES.keys() - {"deployed_pct"}) | {"original_ts"}}
    assert ranged >= {f"out_of_set:{name}" for name in SETS}


def test_some_bad_records_have_two_reasons(feed: Feed) -> None:
    assert any(len(record.reasons) == 2 for record in feed.records)
