"""Hostile landing files drawn by Hypothesis: bad texts, numbers and names, and broken files.

Every text file also has one valid record with a known number, so that a test can check that it is accepted.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from support.rows import at, minted, record

from etl import catalog
from etl.model.contract import Event

EVENTS = catalog.landing_events()
READABLE, BROKEN = "hour=2026-06-01T10", "hour=2026-06-01T11"
BOM = b"\xef\xbb\xbf"
INJECTED = (
    "'; DROP TABLE fct_shares; --", "<script>alert(1)</script>", "x\r\nBcc: all@example.com", "${jndi:ldap://x/y}",
    "{{ 7 * 7 }}", "../../../etc/passwd", "\u202etxt.exe", "\x00", "\ud800", "$(touch /tmp/taken)", "a\tb", "9" * 5000,
)  # fmt: skip
NAMES = (
    "a b", "x'y\"z", "..", "%2e%2e%2fup", "%", "50%", "{a,b}", "[a]", "*", "?", "#1", "a;b", "a&b=c", "naïve 😀",
    "a\\b", "hour=2099-01-01T00", "$(id)", "<b>", "-rf", "a\nb", "x" * 200,
)  # fmt: skip
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**400), 10**400), st.floats(), st.text(max_size=20),
    st.sampled_from(INJECTED), st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)  # fmt: skip
ANY = st.recursive(ODD, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))
FORMATS: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes, ".jsonl.gz": gzip.compress, ".jsonl.zst": zstandard.ZstdCompressor().compress,
}  # fmt: skip


@dataclass
class Batch:
    """The landed files. By event: number of records, ids of valid records, number of unreadable files."""

    records: Counter[str] = field(default_factory=Counter)
    valid_ids: dict[str, set[int]] = field(default_factory=lambda: {e.name: set() for e in EVENTS})
    broken: Counter[str] = field(default_factory=Counter)
    files: int = 0


def valid_record(event: Event, number: int) -> dict[str, Any]:
    """A valid record. Its first field is `number`, or a snowflake id made from it."""
    first = event.fields[0].name
    needed = dict.fromkeys((name for name, _key in event.required_unless), 1)
    numbered = minted(at("10:00"), number) if first == "impression_id" else number
    return record(event, **needed | {first: numbered})


def draw(strategy: st.SearchStrategy[Any], count: int, number: int) -> list[Any]:
    """`count` values of a strategy. Equal seeds give equal values."""
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


@st.composite
def lines(draw: Any, event: Event) -> bytes:
    """One line that is almost a record, or not a record at all."""
    complete = valid_record(
        event, draw(st.integers(-(2**63), 2**63 - 1)) if event.fields[0].name != "impression_id" else 1
    )
    damaged = complete | draw(st.dictionaries(st.sampled_from(sorted(complete)), ODD, min_size=1, max_size=3))
    text = json.dumps(draw(st.sampled_from((complete, damaged))))
    kind = draw(st.integers(0, 8))
    if kind == 0:
        return draw(st.binary(max_size=60))
    if kind == 1:
        return json.dumps(draw(ANY)).encode()
    if kind == 2:
        return text[: draw(st.integers(0, len(text)))].encode()
    if kind == 3:
        deep = draw(st.sampled_from((10, 900, 1100, 20_000)))
        return draw(
            st.sampled_from(("[" * deep, '{"a":' * deep, "[" * deep + "]" * deep, text[:-1] + ', "x": ' + "[" * deep))
        ).encode()
    if kind == 4:
        position = draw(st.integers(0, len(text)))
        return text[:position].encode() + draw(st.binary(min_size=1, max_size=4)) + text[position:].encode()
    if kind == 5:
        name = draw(st.sampled_from(sorted(complete)))
        return ("{" + f"{json.dumps(name)}: {json.dumps(draw(ODD))}, " + text[1:]).encode()
    if kind == 6:
        return (BOM + text.encode(), text.encode("utf-16"), text.replace('"', "'").encode(), b"//" + text.encode())[
            draw(st.integers(0, 3))
        ]
    return json.dumps(damaged, ensure_ascii=draw(st.booleans())).encode(errors="replace")


def _names() -> st.SearchStrategy[str]:
    letters = st.characters(exclude_characters="/\0:", exclude_categories=["Cs"])
    return st.sampled_from(NAMES) | st.text(letters, min_size=1, max_size=30)


def _broken() -> st.SearchStrategy[tuple[str, bytes]]:
    """Unreadable files: truncated, in another format than the name says, or with a name that Hadoop does not allow."""
    cut = gzip.compress(json.dumps(list(range(500))).encode())[:-20]
    return st.sampled_from(
        [(".jsonl.gz", cut), (".jsonl.gz", b"not gzip"), (".parquet", b"PAR1"), (".parquet", b"{}"), (".csv", b"a,b"),
         (".jsonl.zst", b"not zstd"), (".parquet", b"PAR1" + bytes(64) + b"PAR1"), ("", b"{}"), (":.jsonl", b"{}"),
         (".jsonl.bz2", b"BZh9")]
    )  # fmt: skip


def land(folder: Path, files: int, number: int, columnar: int = 0) -> Batch:
    """Land readable files of every event in one hour, and broken files (one in ten) in the next hour."""
    batch = Batch()
    names = draw(st.tuples(_names(), st.sampled_from(sorted(FORMATS)), st.booleans()), files, number)
    broken = draw(_broken(), max(1, files // 10), number)
    for offset, event in enumerate(EVENTS):
        drawn = draw(st.lists(lines(event), min_size=1, max_size=4), files // len(EVENTS), number + offset)
        for index, found in enumerate(drawn):
            name, suffix, crlf = names[(index * len(EVENTS) + offset) % len(names)]
            _land_text(folder / event.name / READABLE, event, f"{index}{name}{suffix}", found, crlf, index, batch)
    for index, (suffix, content) in enumerate(broken):
        event = EVENTS[index % len(EVENTS)]
        _write(folder / event.name / BROKEN, f"{index}{suffix}", content, batch)
        batch.broken[event.name] += 1
    for index, table in enumerate(draw(columns(), columnar, number)):
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer)
        _write(folder / "shares" / READABLE, f"{index}-columns.parquet", buffer.getvalue().to_pybytes(), batch)
        batch.records["shares"] += table.num_rows
    return batch


def _land_text(folder: Path, event: Event, name: str, found: list[bytes], crlf: bool, index: int, batch: Batch) -> None:
    own = 10_000_000 + index
    good = valid_record(event, own)
    batch.valid_ids[event.name].add(good[event.fields[0].name])
    all_lines = [b" ".join(line.splitlines()) for line in found]
    all_lines.insert(index % (len(all_lines) + 1), json.dumps(good).encode())
    batch.records[event.name] += sum(1 for i, line in enumerate(all_lines) if not is_blank(line, i))
    suffix = next(s for s in sorted(FORMATS, key=len, reverse=True) if name.endswith(s))
    _write(folder, name, FORMATS[suffix]((b"\r\n" if crlf else b"\n").join(all_lines) + b"\n"), batch)


def is_blank(line: bytes, number: int) -> bool:
    """Whether a line has only spaces. A byte order mark at the start of a file does not count."""
    return not (line.removeprefix(BOM) if number == 0 else line).strip(b" ")


def _write(folder: Path, name: str, content: bytes, batch: Batch) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    batch.files += 1


VALUES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)), (pa.string(), st.text(max_size=9)), (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()), (pa.binary(), st.binary(max_size=9)), (pa.list_(pa.int32()), st.just([1])),
    (pa.timestamp("us"), st.datetimes()), (pa.null(), st.none()),
]  # fmt: skip


@st.composite
def columns(draw: Any) -> pa.Table:
    """Shares as Parquet with columns of any type; some columns are missing, some have reserved or strange names."""
    fields = next(e for e in EVENTS if e.name == "shares").fields
    odd = ("a.b", "`", "landed_hour", "source_file", "_corrupt", "raw", "value", " ", "x'y", "_file")
    names = draw(st.sets(st.sampled_from([f.name for f in fields] + list(odd)), min_size=1))
    made = {}
    for name in sorted(names):
        kind, values = draw(st.sampled_from(VALUES))
        made[name] = pa.array(draw(st.lists(values | st.none(), min_size=2, max_size=2)), kind)
    return pa.table(made)
