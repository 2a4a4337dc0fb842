"""Searches every byte of some folders for a number. Compressed files and Parquet files are decoded first."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import zstandard


def _zstd(path: Path) -> bytes:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream:
        return stream.read()


OPEN: dict[str, Callable[[Path], bytes]] = {
    ".gz": lambda path: gzip.decompress(path.read_bytes()),
    ".zst": _zstd,
    ".parquet": lambda path: str(pq.ParquetFile(path).read().to_pylist()).encode(),
}


def of(what: int | str, *folders: str) -> list[str]:
    """Files below some folders that contain a number or text. The truth of a simulation (`_truth`) is excluded.

    A short number would also be found as a count or the size of a file: six digits are the least.
    """
    assert len(str(what)) >= 6, f"{what} is too short to be searched"
    number = re.compile(rb"(?<!\d)" + re.escape(str(what)).encode() + rb"(?!\d)")
    files = [f for folder in folders for f in Path(folder).rglob("*") if f.is_file() and "_truth" not in f.parts]
    return sorted(str(f) for f in files if any(number.search(found) for found in _contents(f)))


def _contents(path: Path) -> list[bytes]:
    opened = OPEN.get(path.suffix)
    return [path.read_bytes(), *([opened(path)] if opened else [])]
