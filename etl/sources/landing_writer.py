"""Writes landing files, `<landing>/<event>/hour=<landed hour>/<file>`, in four formats. Equal rows give equal bytes.

A row is a dict by field name. A field of kind `time` holds microseconds since 1970; JSON has it as ISO 8601 text,
Parquet as a UTC timestamp. A value of any other type is written unchanged, so that a source can also write malformed
records. A row that is a string is written as that line (JSON formats only).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from etl import catalog
from etl.sources.stamps import hour_text, iso

Row = dict[str, Any]
Line = Row | str

_KINDS = {
    "BIGINT": "id", "INT": "int", "SMALLINT": "int", "DECIMAL": "float", "STRING": "text", "DATE": "text",
    "TIMESTAMP": "time", "BOOLEAN": "flag", "ARRAY<BIGINT>": "ids",
}  # fmt: skip
"""Type of a column -> kind of a landed field. Time is microseconds since 1970 UTC, a date is text (JSON only)."""

_PARQUET_TYPES = {
    "id": pa.int64(), "int": pa.int32(), "float": pa.float64(), "text": pa.string(),
    "time": pa.timestamp("us", tz="UTC"), "flag": pa.bool_(), "ids": pa.list_(pa.int64()),
}  # fmt: skip
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


@cache
def fields(event: str) -> Mapping[str, str]:
    """The fields of an event with their kinds, from its contract."""
    (found,) = (each for each in catalog.landing_events() if each.name == event)
    return {field.name: _KINDS[field.type.split("(")[0]] for field in found.fields}


def time_fields(event: str) -> tuple[str, ...]:
    """The fields of an event that hold a time."""
    return tuple(name for name, kind in fields(event).items() if kind == "time")


def hour_folder(landing: Path, event: str, landed_us: int) -> Path:
    """The folder for the files of one event that land in one hour."""
    return landing / event / f"hour={hour_text(landed_us)}"


def write_landing_file(path: Path, event: str, lines: Sequence[Line], offset: str = "+00:00") -> None:
    """Write one file. The suffix of `path` selects the format; JSON writes timestamps with the UTC offset `offset`.

    Raises ValueError for a suffix that is not a landing format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_encode_lines(path.name, event, lines, offset))


def _encode_lines(name: str, event: str, lines: Sequence[Line], offset: str) -> bytes:
    if name.endswith(".parquet"):
        return _parquet(event, lines)
    text = _json_lines(event, lines, offset)
    if name.endswith(".jsonl"):
        return text
    if name.endswith(".jsonl.gz"):
        return gzip.compress(text, compresslevel=4, mtime=0)
    if name.endswith(".jsonl.zst"):
        return zstandard.ZstdCompressor(level=3).compress(text)
    raise ValueError(f"{name}: not a landing format (.jsonl, .jsonl.gz, .jsonl.zst, .parquet)")


def _json_lines(event: str, lines: Iterable[Line], offset: str) -> bytes:
    times = time_fields(event)
    return "".join(f"{_json_line(line, times, offset)}\n" for line in lines).encode()


def _json_line(line: Line, times: tuple[str, ...], offset: str) -> str:
    if isinstance(line, str):
        return line
    row = dict(line)
    for field in times:
        if type(row.get(field)) is int:
            row[field] = iso(row[field], offset)
    return _ENCODE(row)


def _parquet(event: str, lines: Sequence[Line]) -> bytes:
    """Parquet bytes. The columns are the fields of the event, all nullable, whichever fields the rows have."""
    rows = [line for line in lines if not isinstance(line, str)]
    columns = {
        name: pa.array([row.get(name) for row in rows], type=_PARQUET_TYPES[kind])
        for name, kind in fields(event).items()
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd", version="2.6", coerce_timestamps="us")
    return bytes(sink.getvalue())
