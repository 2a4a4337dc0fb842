"""Landed files without erased people: a file that names one is written anew under its name, all others stay.

A record keeps its place and what it says of the post; a replacement id takes the person's, as when it is read. A record
that says nothing but what the person is goes. Who a record is about is what the reader of landed records makes of it. A
line that cannot be parsed and holds the number of an erased person becomes one word, so that counts stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from urllib.parse import quote, unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import AtomicType

from etl import catalog
from etl.engine.jobs.run_context import RunContext, log, record
from etl.engine.landing import columnar, records
from etl.engine.landing import reader as landing
from etl.engine.landing.reader import Landed
from etl.engine.people import suppression
from etl.engine.people.suppression import ErasedIds, SuppressionList
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile
from etl.model.contract import Event, Table
from etl.model.privacy import ROLES, Role

ERASED = "erased"


@dataclass
class Found:
    """Records that named an erased person by file, files that nobody could read, and hours as they are now."""

    records: dict[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    fingerprints: dict[datetime, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, int]:
        return {"files": len(self.records), "records": sum(self.records.values())}


def events(*of: Role) -> list[tuple[Table, Event]]:
    """Tables made from landed records of people in some roles, and these."""
    made = [(t, t.event) for t in catalog.tables() if t.event]
    return [(t, event) for t, event in made if any(role in of for role in roles(event))]


def roles(event: Event) -> list[Role]:
    """The roles in which records of an event name people."""
    return [role for role in ROLES if role.column(f.name for f in event.fields)]


def clean(context: RunContext, table: Table, suppressed: SuppressionList, hours: list[datetime]) -> Found:
    """Write files of a table's event, of some landed hours, that name an erased person anew.

    A file that cannot be read to its end, or is of no known format, is in nobody's way: it is logged and told of. So is
    one that its producer writes meanwhile: it stays as it is.
    """
    assert table.event
    known = context.ledger.fingerprints(table.name)
    found = Found()
    for part in landing.listing(context.spark, context.settings, table.event, hours):
        place = f"{table.event.name}/{part.hour:%Y-%m-%dT%H}"
        named, bad, people = _naming(context.spark, table.event, part, suppressed)
        now = {f: _rewrite(context, table.event, f, people) if f.path in named else f for f in part.files}
        bad += [file for file, new in now.items() if new is None]
        after = Landed(part.hour, tuple(new or file for file, new in now.items()))
        if named:
            _know(context, table, after, part, known)
        for file in bad:
            log.warning("%s: nobody can say whom this file names: %r", table.name, file.uri)
        found.records |= {f"{place}/{name}": count for name, count in named.items()}
        found.unread += [f"{place}/{file.path}" for file in bad]
        found.fingerprints[part.hour] = after.fingerprint
    return found


def unlisted(context: RunContext, event: Event, hours: list[datetime]) -> list[str]:
    """Files below an event's folder that no run reads: hidden, or in a folder that is no landed hour."""
    root, folders = f"{files.absolute(context.settings.landing)}/{event.name}", {landing.folder(hour) for hour in hours}
    there = [f for f in files.walk(context.spark, root) if not f.name.endswith(".crc")]
    paths = [(files.relative_path(root, f.uri), f) for f in there]
    return sorted(f"{event.name}/{path}" for path, _ in paths if not _is_read(path, folders))


def _is_read(path: str, folders: set[str]) -> bool:
    """Whether a run reads a file at this path below an event's folder."""
    hour, *below = path.split("/")
    return hour in folders and bool(below) and not any(part[0] in "._" for part in below)


def _know(context: RunContext, table: Table, now: Landed, before: Landed, known: dict[str, str]) -> None:
    """A run has read the hour as it was: the files written anew are not new ones. What lands meanwhile is."""
    hour = now.hour.isoformat()
    if known.get(hour) == before.fingerprint:
        entry = context.begin(table)
        entry.fingerprints = {hour: now.fingerprint}
        record(context, entry, reason="erasure: landed files written anew")
        context.ledger.flush()


def _naming(
    spark: SparkSession, event: Event, part: Landed, suppressed: SuppressionList
) -> tuple[dict[str, int], list[LandedFile], ErasedIds]:
    """Path -> records that name an erased person, of files that have any; files that cannot be read; who it is."""
    bad = [f for f in part.files if not landing.known(f)]
    good = [f for f in part.files if f not in bad]
    try:
        return _counted(spark, event, good, suppressed, bad)
    except (Py4JJavaError, PySparkException):
        broken = [file for _, file in landing.unreadable(spark, [Landed(part.hour, tuple(good))])]
        if not broken:
            raise
        return _counted(spark, event, [f for f in good if f not in broken], suppressed, bad + broken)


def _counted(
    spark: SparkSession, event: Event, found: list[LandedFile], suppressed: SuppressionList, bad: list[LandedFile]
) -> tuple[dict[str, int], list[LandedFile], ErasedIds]:
    texts = [f for f in found if f.name.endswith(landing.TEXT)]
    frames = [(_lines(spark, event, [f.uri for f in texts]), texts)] if texts else []
    frames += [(_rows(spark, file), [file]) for file in found if file.name.endswith(landing.PARQUET)]
    named = [rows.select(F.explode(_said_by(rows, event, suppressed.role, files_))) for rows, files_ in frames]
    people = suppressed.erased_among(reduce(DataFrame.union, named, spark.createDataFrame([], "id BIGINT")))
    counts: dict[str, int] = {}
    for rows, files_ in frames if people.ids else []:
        names_one = F.arrays_overlap(F.col("_ids"), _said_by(rows, event, suppressed.role, files_))
        counts |= _count(people.with_helper_columns(rows).where(names_one), files_)
    return counts, bad, people


def _said_by(rows: DataFrame, event: Event, role: Role, found: list[LandedFile]) -> Column:
    return _whom_line(event, role) if found[0].name.endswith(landing.TEXT) else _whom(rows, role)


def _rows(spark: SparkSession, file: LandedFile) -> DataFrame:
    return _parquet(spark, file).withColumn("source_file", F.lit(quote(file.uri, safe=":/")))


def _parquet(spark: SparkSession, file: LandedFile) -> DataFrame:
    """A file with its own names and types; of one that Spark refuses, as the reader of landed records has it."""
    spark.conf.set(columnar.NANOS, "false")  # else an instant would be read, and written, as a number
    try:
        return spark.read.parquet(files.glob_escape(file.uri))
    except (Py4JJavaError, PySparkException):
        (rows,) = columnar.frames(spark, [file.uri])
        return rows.drop(columnar.FILE)


def _lines(spark: SparkSession, event: Event, uris: list[str]) -> DataFrame:
    """Lines as the reader of landed records parses them: raw, source_file, fields."""
    hour = F.lit(None).cast("timestamp").alias("landed_hour")
    named = landing.lines(spark, uris).select("raw", F.col("_file").alias("source_file"), hour)
    return records.parse_text(named, event)


def _count(rows: DataFrame, found: list[LandedFile]) -> dict[str, int]:
    """By path below the hour. Spark names a file as in a URL, with one slash or three."""
    paths = {files.relative_path("file:", f.uri): f.path for f in found}
    per_file = rows.groupBy("source_file").count().collect()
    return {paths[files.relative_path("file:", unquote(row["source_file"]))]: row["count"] for row in per_file}


def _person(event: Event, role: Role) -> Column:
    return F.col(role.column(f.name for f in event.fields) or "")


def _others(event: Event, role: Role) -> list[str]:
    """Fields that say something of the person beside the id."""
    whose = role.column(f.name for f in event.fields)
    return [f.name for f in event.fields if f.privacy in role.classes and f.name != whose]


def _whom_line(event: Event, role: Role) -> Column:
    """Ids (ARRAY<BIGINT>) a line may name somebody by: its person's, those it says by a key, else every number."""
    said, person = suppression.ids_by_key(F.col("raw"), role), _person(event, role)
    nobody = person.isNull() & (F.size(said) == 0)
    named = F.when(nobody, suppression.numbers_in(F.col("raw"))).otherwise(said)
    return F.array_compact(F.array_append(F.coalesce(named, F.array()), person))


def _edited(lines: DataFrame, event: Event, people: ErasedIds) -> DataFrame:
    """Lines with a replacement id wherever a key named an erased person; what still names one is one word then."""
    role, person = people.suppressed.role, _person(event, people.suppressed.role)
    by = role.by(f.name for f in event.fields)
    if by is None:
        lines = lines.where(~people.has(person))
    made_with = F.get_json_object("raw", f"$.{by}") if by else F.lit("")
    gone = F.array_intersect(suppression.ids_by_key(F.col("raw"), role), F.col("_ids"))
    replaced = F.aggregate(
        gone,
        F.col("raw"),
        lambda line, one: F.regexp_replace(
            line,
            F.concat(F.lit(f"({suppression.key_pattern(role)})"), one.cast("string"), F.lit("(?![0-9])")),
            F.concat(F.lit("$1"), people.replacement(one, made_with).cast("string")),
        ),
    )
    theirs = people.has(person) | (person.isNull() & (F.size(gone) > 0))
    without = F.when(theirs, _emptied(replaced, _others(event, role))).otherwise(replaced)
    named = F.arrays_overlap(F.col("_ids"), _whom_line(event, role))
    edited = lines.withColumn("raw", F.when(named, without).otherwise(F.col("raw")))
    again = people.with_helper_columns(records.parse_text(edited.select("raw", "source_file", "landed_hour"), event))
    return again.select(F.when(named, F.lit(ERASED)).otherwise(F.col("raw")).alias("value"))


def _emptied(line: Column, fields: list[str]) -> Column:
    """A line of JSON without the values of some fields."""
    value = r'"(?:[^"\\]|\\.)*"|[^,}\s]+'
    return F.regexp_replace(line, rf'("(?:{"|".join(fields)})"\s*:\s*)({value})', "$1null") if fields else line


def _whose(rows: DataFrame, role: Role) -> Iterator[tuple[str, bool]]:
    """Columns of a file that hold a person's id, in whatever case they are written, and whether as a plain value."""
    for found in rows.schema.fields:
        if found.name.lower() in role.ids:
            yield found.name, isinstance(found.dataType, AtomicType)


def _whom(rows: DataFrame, role: Role) -> Column:
    """Of a row of a Parquet file: as `_whom_line`."""
    named = [
        F.array(records.quoted(name).try_cast("bigint"))
        if plain
        else suppression.numbers_in(F.to_json(F.struct(records.quoted(name))))
        for name, plain in _whose(rows, role)
    ]
    every = suppression.numbers_in(records.as_text([c for c in rows.columns if c != "source_file"]))
    return F.array_compact(F.flatten(F.array(*[F.coalesce(ids, F.array()) for ids in named or [every]])))


def _changed(rows: DataFrame, event: Event, people: ErasedIds) -> DataFrame:
    """Parquet rows with their own types. A row that says no person and holds the number of one says nothing more."""
    role = people.suppressed.role
    whose, by = dict(_whose(rows, role)), role.by([c.lower() for c in rows.columns])
    named = F.arrays_overlap(F.col("_ids"), _whom(rows, role))
    new: dict[str, Column] = {}
    for name, plain in whose.items():
        person = records.quoted(name).try_cast("bigint") if plain else F.lit(None).cast("bigint")
        replacement = people.replacement(person, F.col(by) if by else F.lit(""))
        value = replacement.cast(rows.schema[name].dataType) if plain else F.lit(None)
        new[name] = F.when(people.has(person) if plain else named, value).otherwise(records.quoted(name))
    personal = set(_others(event, role))
    others = [c for c in rows.columns if c not in new and (c.lower() in personal or not whose)]
    changed = new | {name: F.when(~named, records.quoted(name)) for name in others}
    beside = people.with_helper_columns(rows)
    if whose and role.by(f.name for f in event.fields) is None:
        beside = beside.where(~F.coalesce(named, F.lit(False)))
    return beside.withColumns(changed).drop(*suppression.HELPER_COLUMNS)


def _rewrite(context: RunContext, event: Event, file: LandedFile, people: ErasedIds) -> LandedFile | None:
    """Write beside, then move over: a reader finds the file as it was or as it is. Returns the file as it is then.

    None when its producer has changed it meanwhile: then it stays.
    """
    spark, beside = context.spark, f"{file.uri.rsplit('/', 1)[0]}/_erasing"
    files.delete(spark, beside)
    if file.name.endswith(landing.PARQUET):
        _changed(_parquet(spark, file), event, people).coalesce(1).write.parquet(beside)
    else:
        lines = _edited(people.with_helper_columns(_lines(spark, event, [file.uri])), event, people).coalesce(1)
        lines.write.option("compression", "gzip" if file.name.endswith(".gz") else "none").text(beside)
    if file.name.endswith(".zst"):  # Spark reads this format of text and does not write it
        files.compress(spark, files.list_files(spark, beside)[0].uri, f"{beside}/_{file.name}")
        files.replace(spark, files.list_files(spark, beside)[0].uri, by=f"{beside}/_{file.name}")
    new = files.list_files(spark, beside)[0]
    now = files.status(spark, file.uri)
    if now is None or (now.size, now.modified) != (file.size, file.modified):
        files.delete(spark, beside)
        return None
    files.replace(spark, file.uri, by=new.uri)
    files.delete(spark, beside)
    there = new if file.uri.startswith("file:") else files.status(spark, file.uri) or new  # a store copies
    return replace(file, size=there.size, modified=there.modified)
