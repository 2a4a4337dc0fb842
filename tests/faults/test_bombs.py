"""Landed files that are small on disk and huge in memory: they are reported, and all other files are processed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.command_line import feed_etl

MEGABYTE = 2**20
HEAP = "1g"


def share(number: int, hour: int) -> dict[str, object]:
    at = f"2026-06-01T{hour:02}:00:00+00:00"
    ids = {"share_id": number, "original_post_id": 1, "shared_post_id": 2, "viewer_id": number}
    return ids | {"share_ts": at, "channel": "dm"}


def folder(root: Path, hour: int) -> Path:
    """A landed hour with 200 good shares."""
    made = root / "shares" / f"hour=2026-06-01T{hour:02}"
    made.mkdir(parents=True)
    (made / "good.jsonl").write_text("".join(json.dumps(share(hour * 1000 + n, hour)) + "\n" for n in range(200)))
    return made


def one_line(file: Path) -> None:
    """A gzip file of 5 MB with one line of 1,200 MB, which is more than the heap."""
    with gzip.open(file, "wb", compresslevel=1) as stream:
        for _ in range(1200):
            stream.write(b"x" * MEGABYTE)


def one_value(file: Path) -> None:
    """A Parquet file of 20 KB with one text of 500 MB."""
    row = pa.Table.from_pylist([share(1, 11)])
    text = pa.array(["y" * (500 * MEGABYTE)], pa.string())
    pq.write_table(row.set_column(row.column_names.index("channel"), "channel", text), file, compression="zstd")


def many_lines(file: Path) -> None:
    """A gzip file of 1 KB with 300,000 empty records."""
    with gzip.open(file, "wb", compresslevel=1) as stream:
        for _ in range(30):
            stream.write(b"{}\n" * 10_000)


def deep(file: Path) -> None:
    """A Parquet file with an extra column of 900 nested structs."""
    kind: pa.DataType = pa.int64()
    value: object = 1
    for _ in range(900):
        kind, value = pa.struct([("a", kind)]), {"a": value}
    row = pa.Table.from_pylist([share(1, 13)])
    pq.write_table(row.append_column("deep", pa.array([value], kind)), file)


BOMBS = {"line.jsonl.gz": one_line, "value.parquet": one_value, "lines.jsonl.gz": many_lines, "deep.parquet": deep}


@pytest.mark.slow
def test_files_that_are_huge_in_memory_stop_only_their_hour(tmp_path: Path) -> None:
    """Hours 10 to 13 have one bomb each, hour 14 has none. With a heap of 1 GiB, the process runs to its end.

    After the bombs are removed, the same hours are published with all good records.
    """
    landing = tmp_path / "landing"
    bombs = [folder(landing, 10 + index) / name for index, name in enumerate(BOMBS)]
    for bomb in bombs:
        BOMBS[bomb.name](bomb)
    folder(landing, 14)
    options = ["--lake", str(tmp_path / "lake"), "--landing", str(landing)]
    run = [*options, "run", "--from", "2026-06-01T10", "--to", "2026-06-01T15", "--hour-by-hour"]
    run += ["--table", "bronze_shares"]
    done = feed_etl(*run, FEED_ETL_DRIVER_MEMORY=HEAP)
    assert done.returncode == 4, done.stderr[-3000:]
    assert count(options)[14] == 200
    for bomb in bombs:
        bomb.unlink()
    assert feed_etl(*run, FEED_ETL_DRIVER_MEMORY=HEAP).returncode == 0
    assert count(options) == dict.fromkeys(range(10, 15), 200)


def count(options: list[str]) -> dict[int, int]:
    """Number of accepted shares by landed hour."""
    query = "SELECT hour(landed_hour) AS hour, count(*) AS n FROM bronze_shares GROUP BY 1"
    done = feed_etl(*options, "sql", query, "--format", "json")
    assert done.returncode == 0, done.stderr
    return {row["hour"]: row["n"] for row in json.loads(done.stdout)}
