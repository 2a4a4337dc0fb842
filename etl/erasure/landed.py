"""Landed files without erased viewers: a file that names one is written anew under its name, all others stay.

A record keeps its place and what it says of the post; a stand-in takes the viewer's, as when it is read. Who a record
is about is what the reader of landed records makes of it. A line that cannot be parsed and holds the number of an
erased viewer becomes one word, so that counts stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import AtomicType

from etl import catalog
from etl.contract import Event, Table
from etl.engine import files, landing, records
from etl.engine.files import LandedFile
from etl.engine.landing import Landed
from etl.engine.suppression import NUMBER, Suppressed
from etl.engine.work import Work, log, record
from etl.privacy import STAND_IN_BY, by_column, viewer_column

KEY = rf'"(?:{"|".join(STAND_IN_BY)})"\s*:\s*"?'
DEVICE = r'("device_id"\s*:\s*)("[^"]*"|[^,}\s]+)'
ERASED = "erased"


@dataclass
class Found:
    """Records that named an erased viewer by file, and files of which nobody can say whom they name."""

    records: dict[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, int]:
        return {"files": len(self.records), "records": sum(self.records.values())}


def events() -> list[tuple[Table, Event]]:
    """Tables made from landed records of viewers, and these."""
    made = [(t, t.event) for t in catalog.tables() if t.event]
    return [(t, event) for t, event in made if any(f.privacy == "viewer" for f in event.fields)]


def clean(work: Work, table: Table, suppressed: Suppressed, hours: list[datetime]) -> Found:
    """Write files of a table's event, of some landed hours, that name an erased viewer anew.

    A file that cannot be read to its end, or is of no known format, is in nobody's way: it is logged and told of.
    """
    assert table.event
    known = work.ledger.fingerprints(table.name)
    found = Found()
    for part in landing.listing(work.spark, work.settings, table.event, hours):
        place = f"{table.event.name}/{part.hour:%Y-%m-%dT%H}"
        named, bad = _naming(work.spark, table.event, part, suppressed)
        for file in part.files:
            if file.path in named:
                _rewrite(work, table.event, file, suppressed)
        if named:
            _know(work, table, part, known.get(part.hour.isoformat()))
        for file in bad:
            log.warning("%s: nobody can say whom this file names: %r", table.name, file.uri)
        found.records |= {f"{place}/{name}": count for name, count in named.items()}
        found.unread += [f"{place}/{file.path}" for file in bad]
    return found


def unlisted(work: Work, event: Event, hours: list[datetime]) -> list[str]:
    """Files below an event's folder that no run reads: hidden, or in a folder that is no landed hour."""
    root, folders = f"{files.absolute(work.settings.landing)}/{event.name}", {landing.folder(hour) for hour in hours}
    there = [f for f in files.walk(work.spark, root) if not f.name.endswith(".crc")]
    paths = [(files.below(root, f.uri), f) for f in there]
    return sorted(f"{event.name}/{path}" for path, _ in paths if not _is_read(path, folders))


def _is_read(path: str, folders: set[str]) -> bool:
    """Whether a run reads a file at this path below an event's folder."""
    hour, *below = path.split("/")
    return hour in folders and bool(below) and not any(part[0] in "._" for part in below)


def _know(work: Work, table: Table, part: Landed, known: str | None) -> None:
    """A run has read the hour as it was: the files it has now are not new ones."""
    assert table.event
    if known == part.fingerprint:
        entry = work.begin(table)
        now = landing.listing(work.spark, work.settings, table.event, [part.hour])[0]
        entry.fingerprints = {part.hour.isoformat(): now.fingerprint}
        record(work, entry, reason="erasure: landed files written anew")
        work.ledger.flush()


def _naming(
    spark: SparkSession, event: Event, part: Landed, suppressed: Suppressed
) -> tuple[dict[str, int], list[LandedFile]]:
    """File name -> records that name an erased viewer, of the files that have any; and files that cannot be read."""
    bad = [f for f in part.files if not landing.known(f)]
    good = [f for f in part.files if f not in bad]
    try:
        return _counted(spark, event, good, suppressed), bad
    except (Py4JJavaError, PySparkException):
        broken = [file for _, file in landing.unreadable(spark, [Landed(part.hour, tuple(good))])]
        if not broken:
            raise
        return _counted(spark, event, [f for f in good if f not in broken], suppressed), bad + broken


def _counted(spark: SparkSession, event: Event, found: list[LandedFile], suppressed: Suppressed) -> dict[str, int]:
    counts: dict[str, int] = {}
    if text := [f.uri for f in found if f.name.endswith(landing.TEXT)]:
        counts |= _count(_lines(spark, event, text), _names_one(event, suppressed), found)
    for file in found:
        if file.name.endswith(landing.PARQUET):
            rows = spark.read.parquet(files.glob_escape(file.uri))
            named = rows.withColumn("source_file", F.col("_metadata.file_path"))
            counts |= _count(named, _has(rows, suppressed), [file])
    return counts


def _lines(spark: SparkSession, event: Event, uris: list[str]) -> DataFrame:
    """Lines as the reader of landed records parses them: raw, source_file, fields."""
    hour = F.lit(None).cast("timestamp").alias("landed_hour")
    named = landing.lines(spark, uris).select("raw", F.col("_file").alias("source_file"), hour)
    return records.parse_text(named, event)


def _count(rows: DataFrame, named: Column, found: list[LandedFile]) -> dict[str, int]:
    """By path below the hour. Spark names a file as in a URL, with one slash or three."""
    paths = {files.below("file:", f.uri): f.path for f in found}
    per_file = rows.where(named).groupBy("source_file").count().collect()
    return {paths[files.below("file:", unquote(row["source_file"]))]: row["count"] for row in per_file}


def _viewer(event: Event) -> Column:
    return F.col(viewer_column([f.name for f in event.fields]) or "")


def _said() -> Column:
    """Every id of a viewer that a line says by a key, however deep."""
    found = F.regexp_extract_all("raw", F.lit(f"{KEY}({NUMBER})"), F.lit(1))
    return F.filter(F.transform(found, lambda number: number.try_cast("bigint")), lambda number: number.isNotNull())


def _names_one(event: Event, suppressed: Suppressed) -> Column:
    """Of a line: its viewer was erased, or one it names by a key, or it says no viewer and holds the number of one."""
    by_key = F.exists(_said(), suppressed.has)
    nobody = _viewer(event).isNull() & (F.size(_said()) == 0)
    return suppressed.has(_viewer(event)) | by_key | (nobody & suppressed.has_any(F.col("raw")))


def _edited(lines: DataFrame, event: Event, suppressed: Suppressed) -> DataFrame:
    """Lines with a stand-in wherever a key named an erased viewer; what still names one after that is one word."""
    by = by_column([f.name for f in event.fields])
    made_with = F.get_json_object("raw", f"$.{by}")
    gone = F.array_distinct(F.filter(_said(), suppressed.has))
    with_stand_ins = F.aggregate(
        gone,
        F.col("raw"),
        lambda line, viewer: F.regexp_replace(
            line,
            F.concat(F.lit(f"({KEY})"), viewer.cast("string"), F.lit("(?![0-9])")),
            F.concat(F.lit("$1"), suppressed.stand_in(viewer, made_with).cast("string")),
        ),
    )
    theirs = suppressed.has(_viewer(event)) | (_viewer(event).isNull() & (F.size(gone) > 0))
    without = F.when(theirs, F.regexp_replace(with_stand_ins, DEVICE, "$1null")).otherwise(with_stand_ins)
    named = _names_one(event, suppressed)
    edited = lines.withColumn("raw", F.when(named, without).otherwise(F.col("raw")))
    again = records.parse_text(edited.select("raw", "source_file", "landed_hour"), event)
    return again.select(F.when(named, F.lit(ERASED)).otherwise(F.col("raw")).alias("value"))


def _whose(rows: DataFrame) -> Iterator[tuple[str, bool]]:
    """Columns of a file that hold a viewer's id, in whatever case they are written, and whether as a plain value."""
    for found in rows.schema.fields:
        if found.name.lower() in STAND_IN_BY:
            yield found.name, isinstance(found.dataType, AtomicType)


def _has(rows: DataFrame, suppressed: Suppressed) -> Column:
    """Of a row of a Parquet file: as `_names_one`."""
    named = [
        suppressed.has(records.quoted(name).try_cast("bigint"))
        if plain
        else suppressed.has_any(F.to_json(F.struct(records.quoted(name))))
        for name, plain in _whose(rows)
    ]
    nobody = suppressed.has_any(records.as_text(rows.columns))
    return F.coalesce(F.greatest(*named, F.lit(False)), F.lit(False)) if named else nobody


def _changed(rows: DataFrame, event: Event, suppressed: Suppressed) -> DataFrame:
    """Parquet rows with their own types. A row that says no viewer and holds the number of one says nothing more."""
    named, whose, by = _has(rows, suppressed), dict(_whose(rows)), by_column([c.lower() for c in rows.columns])
    new: dict[str, Column] = {}
    for name, plain in whose.items():
        viewer = records.quoted(name).try_cast("bigint") if plain else F.lit(None).cast("bigint")
        stand_in = suppressed.stand_in(viewer, F.col(by) if by else F.lit(""))
        value = stand_in.cast(rows.schema[name].dataType) if plain else F.lit(None)
        new[name] = F.when(suppressed.has(viewer) if plain else named, value).otherwise(records.quoted(name))
    personal = {f.name for f in event.fields if f.privacy == "viewer"}
    others = [c for c in rows.columns if c not in new and (c.lower() in personal or not whose)]
    return rows.withColumns(new | {name: F.when(~named, records.quoted(name)) for name in others})


def _rewrite(work: Work, event: Event, file: LandedFile, suppressed: Suppressed) -> None:
    """Write beside, then move over: a reader finds the file as it was or as it is."""
    spark, beside = work.spark, f"{file.uri.rsplit('/', 1)[0]}/_erasing"
    files.delete(spark, beside)
    if file.name.endswith(landing.PARQUET):
        _changed(spark.read.parquet(files.glob_escape(file.uri)), event, suppressed).coalesce(1).write.parquet(beside)
    else:
        lines = _edited(_lines(spark, event, [file.uri]), event, suppressed).coalesce(1)
        lines.write.option("compression", "gzip" if file.name.endswith(".gz") else "none").text(beside)
    if file.name.endswith(".zst"):  # Spark reads this format of text and does not write it
        files.compress(spark, files.list_files(spark, beside)[0].uri, f"{beside}/_{file.name}")
        files.replace(spark, files.list_files(spark, beside)[0].uri, by=f"{beside}/_{file.name}")
    files.replace(spark, file.uri, by=files.list_files(spark, beside)[0].uri)
    files.delete(spark, beside)
