"""Coverage-guided fuzzing (JaCoCo) of Spark's readers with JSON lines, bred from lines that reached new code.

A generation is one landed file of mutated lines of one event, read like every landed file. If it reaches a branch that
no earlier generation reached, its lines become parents of later generations.
"""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from soak import hostile
from support.rows import at

from etl.conf import Settings
from etl.engine.landing import faults
from etl.engine.landing import reader as landing
from etl.engine.landing.reader import Landed
from etl.engine.spark import files, jars
from etl.engine.spark.java import SHARE
from etl.engine.spark.jvm import jvm
from etl.model.contract import Event

JACOCO = jars.Jar(
    "org.jacoco",
    "org.jacoco.agent",
    "0.8.14",
    "20be9853385bdfc65a5929643412d09243d14514304b89ba23a265158cc8792b",
)
WATCHED = (
    "com.fasterxml.jackson.core.*",
    "org.apache.spark.sql.catalyst.expressions.json.*",
    "org.apache.spark.sql.catalyst.expressions.variant.*",
    "org.apache.spark.sql.catalyst.json.*",
    "org.apache.spark.types.variant.*",
    "org.apache.spark.unsafe.types.*",
)
LINES = 64  # per generation
TOKENS = [t.encode(errors="replace") for t in hostile.INJECTED] + [
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u0000", b"\\ud83d", b"null", b"true", b"-", b"0", b"1e999",
    b"-0.0", b"1E-400", b"NaN", b"Infinity", b"0x1", b"9223372036854775808", b"1" * 400, hostile.BOM, b"\xff",
    b"\xc0\x80", b"/*", b"//", b"'",
    b"2026-06-01T10:00:00.123456789+14:00", b"2026-06-01T10:00:00Z", b"-290308-01-01T00:00:00Z",
]  # fmt: skip


def agent() -> str:
    """The JVM option of the coverage agent, which is downloaded the first time."""
    folder = SHARE / "jacoco"  # separate from the JARs on Spark's class path
    (outer,) = jars.ensure((JACOCO,), folder)
    with zipfile.ZipFile(outer) as archive:
        inner = archive.extract("jacocoagent.jar", folder)
    return f"-javaagent:{inner}=output=none,includes={':'.join(WATCHED)}"


def reached(spark: SparkSession) -> set[tuple[int, int]]:
    """Every branch that has run so far, as (class, number)."""
    data = jvm(spark, "org.jacoco.agent.rt.RT").getAgent().getExecutionData(False)
    return set(_branches(io.BytesIO(bytes(data))))


def _branches(data: io.BytesIO) -> Iterator[tuple[int, int]]:
    """Parse JaCoCo's format: blocks with a header (1), a session (16), or a class with one bit per branch (17)."""
    while kind := data.read(1):
        if kind == b"\x01":
            data.read(4)
        elif kind == b"\x10":
            _name(data)
            data.read(16)
        else:
            (class_id,) = struct.unpack(">q", data.read(8))
            _name(data)
            count = _varint(data)
            bits = int.from_bytes(data.read((count + 7) // 8), "little")
            yield from ((class_id, i) for i in range(count) if bits >> i & 1)


def _name(data: io.BytesIO) -> None:
    (length,) = struct.unpack(">H", data.read(2))
    data.read(length)


def _varint(data: io.BytesIO) -> int:
    found = shift = 0
    while True:
        byte = data.read(1)[0]
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found
        shift += 7


def mutated(chance: random.Random, line: bytes, other: bytes) -> bytes:
    """A line with one to four random changes and without line breaks."""
    for _ in range(chance.randint(1, 4)):
        start, end = sorted(chance.randint(0, len(line)) for _ in range(2))
        end = min(end, start + 40)
        piece = chance.choice(
            [
                b"",
                bytes([chance.randrange(256)]),
                chance.choice(TOKENS),
                line[start:end] * 2,
                other[start:],
                other[:end],
            ]
        )
        line = line[:start] + piece + line[chance.choice([start, start + 1, end]) :]
    return b" ".join(line.splitlines())[:20_000]


def _generation(spark: SparkSession, settings: Settings, event: Event, file: Path, lines: list[bytes]) -> list[str]:
    """Read a file of these lines. No line may be lost, and the slower reader must find no fault in an accepted line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\n".join(lines) + b"\n")
    (listed,) = files.list_files(spark, f"file:{file.parent}")
    read = landing.read(spark, settings, event, [Landed(at("10:00"), (listed,))])
    bad = faults.is_bad(event, settings)
    found = read.select(
        F.count(F.lit(1)),
        F.count_if(bad),
        F.count_if(~bad),
        F.count_if(~bad & (faults.reasons(event, settings) != F.array(F.lit("unparseable")))),
    ).collect()[0]
    file.unlink()
    wanted = sum(1 for i, line in enumerate(lines) if not hostile.is_blank(line, i))
    if found[0] == wanted == found[1] + found[2] and not found[3]:
        return []
    return [f"{event.name}: {wanted} lines, {list(found)} read, bad, good, good with a fault: {lines!r}"]


def rounds(spark: SparkSession, settings: Settings, count: int, chance: random.Random) -> Iterator[list[str]]:
    """The losses of each generation; empty lists when all is well."""
    parents = {event.name: [json.dumps(hostile.valid_record(event, 10)).encode()] for event in hostile.EVENTS}
    before = set[tuple[int, int]]()
    for number in range(count):
        event = hostile.EVENTS[number % len(hostile.EVENTS)]
        known = parents[event.name]
        lines = [mutated(chance, chance.choice(known), chance.choice(known)) for _ in range(LINES)]
        file = Path(settings.landing) / event.name / hostile.READABLE / "bred.jsonl"
        try:
            yield _generation(spark, settings, event, file, lines)
        except Exception as error:
            yield [f"{event.name}: {error}: {lines!r}"]
        now = reached(spark)
        if now - before:
            known.extend(lines)
            before |= now
    print(f"{len(before)} branches of the readers reached, {sum(map(len, parents.values()))} parent lines kept")
