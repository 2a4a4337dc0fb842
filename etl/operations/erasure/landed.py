"""Erases people from landed files. A file that names an erased person is rewritten under its name; all others stay.

A record keeps its position and what it says about the post. The id of the person becomes a replacement id, the same one
that a run uses when it reads the record. A record that only describes the person is removed. The reader of landed
records decides whom a record is about. A line that cannot be parsed and holds the id of an erased person becomes one
word, so that counts of records stay the same.
"""

from __future__ import annotations

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

ERASED = "erased"  # replaces a line that still names an erased person after it was edited


@dataclass
class CleanResult:
    """Result of erasing people from landed files.

    `records`: path of a rewritten file -> number of records that named an erased person. `unread`: files that could not
    be read or rewritten. `fingerprints`: landed hour -> fingerprint of its files now.
    """

    records: dict[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    fingerprints: dict[datetime, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, int]:
        """Return the numbers of files and records, as a receipt keeps them."""
        return {"files": len(self.records), "records": sum(self.records.values())}


def events(*people_roles: Role) -> list[tuple[Table, Event]]:
    """Return the events whose records name people in one of the roles, with the tables made from them."""
    landed = [(t, t.event) for t in catalog.tables() if t.event]
    return [(t, event) for t, event in landed if any(role in people_roles for role in roles(event))]


def roles(event: Event) -> list[Role]:
    """Return the roles in which records of an event name people."""
    return [role for role in ROLES if role.column(f.name for f in event.fields)]


def clean(context: RunContext, table: Table, suppressed: SuppressionList, hours: list[datetime]) -> CleanResult:
    """Rewrite the files of a table's event, in these landed hours, that name an erased person.

    A file that cannot be read to its end or has an unknown format does not stop the others: it is logged and is in
    `unread` of the result. So is a file that its producer changes meanwhile, which is not rewritten.
    """
    assert table.event
    read = context.ledger.fingerprints(table.name)
    result = CleanResult()
    for part in landing.listing(context.spark, context.settings, table.event, hours):
        folder = f"{table.event.name}/{part.hour:%Y-%m-%dT%H}"
        counts, people, unread = _find_people(context.spark, table.event, part, suppressed)
        rewritten = {f: _rewrite(context, table.event, f, people) if f.path in counts else f for f in part.files}
        unread += [file for file, new in rewritten.items() if new is None]
        after = Landed(part.hour, tuple(new or file for file, new in rewritten.items()))
        if counts and read.get(part.hour.isoformat()) == part.fingerprint:
            _record_as_read(context, table, after)
        for file in unread:
            log.warning("%s: this file was not searched, so it may name erased people: %r", table.name, file.uri)
        result.records |= {f"{folder}/{name}": count for name, count in counts.items()}
        result.unread += [f"{folder}/{file.path}" for file in unread]
        result.fingerprints[part.hour] = after.fingerprint
    return result


def unlisted(context: RunContext, event: Event, hours: list[datetime]) -> list[str]:
    """Return the files below an event's folder that no run reads: hidden ones, and those outside of landed hours."""
    root, folders = f"{files.absolute(context.settings.landing)}/{event.name}", {landing.folder(hour) for hour in hours}
    landed = [f for f in files.walk(context.spark, root) if not f.name.endswith(".crc")]
    paths = [files.relative_path(root, f.uri) for f in landed]
    return sorted(f"{event.name}/{path}" for path in paths if not _is_read(path, folders))


def _is_read(path: str, folders: set[str]) -> bool:
    """Whether a run reads a file at this path below an event's folder."""
    hour, *below = path.split("/")
    return hour in folders and bool(below) and not any(part[0] in "._" for part in below)


def _record_as_read(context: RunContext, table: Table, part: Landed) -> None:
    """Record the fingerprint of rewritten files, so that no run reads them as new files."""
    entry = context.begin(table)
    entry.fingerprints = {part.hour.isoformat(): part.fingerprint}
    record(context, entry, reason="erasure: landed files rewritten")
    context.ledger.flush()


def _find_people(
    spark: SparkSession, event: Event, part: Landed, suppressed: SuppressionList
) -> tuple[dict[str, int], ErasedIds, list[LandedFile]]:
    """Search a landed hour for erased people.

    Returns path -> number of records that name one, for files with such records; the people; files that cannot be read.
    """
    unknown_format = [f for f in part.files if not landing.known(f)]
    known_format = [f for f in part.files if f not in unknown_format]
    try:
        return *_search(spark, event, known_format, suppressed), unknown_format
    except (Py4JJavaError, PySparkException):
        broken = [file for _, file in landing.unreadable(spark, [Landed(part.hour, tuple(known_format))])]
        if not broken:
            raise
        readable = [f for f in known_format if f not in broken]
        return *_search(spark, event, readable, suppressed), unknown_format + broken


def _search(
    spark: SparkSession, event: Event, readable: list[LandedFile], suppressed: SuppressionList
) -> tuple[dict[str, int], ErasedIds]:
    """Return path -> number of records that name an erased person, and the erased people whom the files name."""
    texts = [f for f in readable if f.name.endswith(landing.TEXT)]
    frames = [(_lines(spark, event, [f.uri for f in texts]), texts)] if texts else []
    frames += [(_rows(spark, file), [file]) for file in readable if file.name.endswith(landing.PARQUET)]
    ids = [rows.select(F.explode(_named_ids(rows, event, suppressed.role, sources))) for rows, sources in frames]
    people = suppressed.erased_among(reduce(DataFrame.union, ids, spark.createDataFrame([], "id BIGINT")))
    counts: dict[str, int] = {}
    for rows, sources in frames if people.ids else []:
        names_erased = F.arrays_overlap(F.col("_ids"), _named_ids(rows, event, suppressed.role, sources))
        counts |= _count_by_file(people.with_helper_columns(rows).where(names_erased), sources)
    return counts, people


def _named_ids(rows: DataFrame, event: Event, role: Role, sources: list[LandedFile]) -> Column:
    return _ids_in_line(event, role) if sources[0].name.endswith(landing.TEXT) else _ids_in_row(rows, role)


def _rows(spark: SparkSession, file: LandedFile) -> DataFrame:
    return _parquet(spark, file).withColumn("source_file", F.lit(quote(file.uri, safe=":/")))


def _parquet(spark: SparkSession, file: LandedFile) -> DataFrame:
    """Read a Parquet file with its own names and types, or as the reader of landed records does if Spark cannot."""
    spark.conf.set(columnar.NANOS, "false")  # else an instant would be read, and written, as a number
    try:
        return spark.read.parquet(files.glob_escape(file.uri))
    except (Py4JJavaError, PySparkException):
        (rows,) = columnar.frames(spark, [file.uri])
        return rows.drop(columnar.FILE)


def _lines(spark: SparkSession, event: Event, uris: list[str]) -> DataFrame:
    """Read lines as the reader of landed records parses them: raw, source_file, fields."""
    hour = F.lit(None).cast("timestamp").alias("landed_hour")
    lines = landing.lines(spark, uris).select("raw", F.col("_file").alias("source_file"), hour)
    return records.parse_text(lines, event)


def _count_by_file(rows: DataFrame, sources: list[LandedFile]) -> dict[str, int]:
    """Return path below the hour -> number of rows. Spark writes a file name as a URL, with one slash or three."""
    paths = {files.relative_path("file:", f.uri): f.path for f in sources}
    counts = rows.groupBy("source_file").count().collect()
    return {paths[files.relative_path("file:", unquote(row["source_file"]))]: row["count"] for row in counts}


def _person_id(event: Event, role: Role) -> Column:
    return F.col(role.column(f.name for f in event.fields) or "")


def _other_personal_fields(event: Event, role: Role) -> list[str]:
    """Return the fields, except the id, that describe or identify the person."""
    id_field = role.column(f.name for f in event.fields)
    return [f.name for f in event.fields if f.privacy in role.classes and f.name != id_field]


def _ids_in_line(event: Event, role: Role) -> Column:
    """Return the ids (ARRAY<BIGINT>) by which a line may name people.

    These are the id of its person and the ids that follow a key such as "viewer_id". A line that has neither may name
    people by any of its numbers.
    """
    by_key, person = suppression.ids_by_key(F.col("raw"), role), _person_id(event, role)
    has_neither = person.isNull() & (F.size(by_key) == 0)
    ids = F.when(has_neither, suppression.numbers_in(F.col("raw"))).otherwise(by_key)
    return F.array_compact(F.array_append(F.coalesce(ids, F.array()), person))


def _lines_without_people(lines: DataFrame, event: Event, people: ErasedIds) -> DataFrame:
    """Return lines (`value` STRING) that name no erased person. `lines` has the helper columns of `people`.

    A line that still names an erased person after it was edited, such as one that cannot be parsed, becomes ERASED.
    """
    role = people.suppressed.role
    if role.by(f.name for f in event.fields) is None:  # records that only describe a person
        lines = lines.where(~people.has(_person_id(event, role)))
    names_erased = F.arrays_overlap(F.col("_ids"), _ids_in_line(event, role))
    line = F.when(names_erased, _line_without_people(event, people)).otherwise(F.col("raw"))
    edited = lines.withColumn("raw", line).select("raw", "source_file", "landed_hour")
    parsed = people.with_helper_columns(records.parse_text(edited, event))
    return parsed.select(F.when(names_erased, F.lit(ERASED)).otherwise(F.col("raw")).alias("value"))


def _line_without_people(event: Event, people: ErasedIds) -> Column:
    """Return the line with replacement ids.

    A record about an erased person also loses the values of its other personal fields. A record that cannot be parsed
    counts as about an erased person when it names one by a key.
    """
    role, person = people.suppressed.role, _person_id(event, people.suppressed.role)
    erased_ids = F.array_intersect(suppression.ids_by_key(F.col("raw"), role), F.col("_ids"))
    is_about_erased = people.has(person) | (person.isNull() & (F.size(erased_ids) > 0))
    line = _line_with_replacement_ids(erased_ids, event, people)
    return F.when(is_about_erased, _with_nulls(line, _other_personal_fields(event, role))).otherwise(line)


def _line_with_replacement_ids(erased_ids: Column, event: Event, people: ErasedIds) -> Column:
    """Return the line in which each of these ids, where it follows a key of the role, is a replacement id."""
    role = people.suppressed.role
    scope_field = role.by(f.name for f in event.fields)
    scope = F.get_json_object("raw", f"$.{scope_field}") if scope_field else F.lit("")

    def replace_id(line: Column, erased_id: Column) -> Column:
        key_and_id = F.concat(F.lit(f"({suppression.key_pattern(role)})"), erased_id.cast("string"), F.lit("(?![0-9])"))
        key_and_replacement = F.concat(F.lit("$1"), people.replacement(erased_id, scope).cast("string"))
        return F.regexp_replace(line, key_and_id, key_and_replacement)

    return F.aggregate(erased_ids, F.col("raw"), replace_id)


def _with_nulls(line: Column, fields: list[str]) -> Column:
    """Return a line of JSON in which the values of some fields are null.

    A regular expression also edits lines that cannot be parsed, and keeps all other characters of the line.
    """
    value = r'"(?:[^"\\]|\\.)*"|[^,}\s]+'
    return F.regexp_replace(line, rf'("(?:{"|".join(fields)})"\s*:\s*)({value})', "$1null") if fields else line


def _id_columns(rows: DataFrame, role: Role) -> dict[str, bool]:
    """Return the columns of a file that hold ids of people -> whether they are atomic. Names match in any case."""
    return {f.name: isinstance(f.dataType, AtomicType) for f in rows.schema.fields if f.name.lower() in role.ids}


def _ids_in_row(rows: DataFrame, role: Role) -> Column:
    """Return the ids (ARRAY<BIGINT>) by which a row of a Parquet file may name people.

    These are the ids in its id columns. A row of a file without id columns may name people by any of its numbers.
    """
    ids = [
        F.array(records.quoted(name).try_cast("bigint"))
        if atomic
        else suppression.numbers_in(F.to_json(F.struct(records.quoted(name))))
        for name, atomic in _id_columns(rows, role).items()
    ]
    all_numbers = suppression.numbers_in(records.as_text([c for c in rows.columns if c != "source_file"]))
    return F.array_compact(F.flatten(F.array(*[F.coalesce(each, F.array()) for each in ids or [all_numbers]])))


def _rows_without_people(rows: DataFrame, event: Event, people: ErasedIds) -> DataFrame:
    """Return rows of a Parquet file, with its types, that name no erased person.

    Atomic id columns get replacement ids; nested ones and other personal columns become NULL. In a file without id
    columns, a row that holds an erased id becomes NULL in every column.
    """
    role = people.suppressed.role
    id_columns = _id_columns(rows, role)
    names_erased = F.arrays_overlap(F.col("_ids"), _ids_in_row(rows, role))
    new = {name: _replaced_id(rows, name, people, names_erased) for name in id_columns}
    personal = set(_other_personal_fields(event, role))
    cleared = [c for c in rows.columns if c not in new and (c.lower() in personal or not id_columns)]
    new |= {name: F.when(~names_erased, records.quoted(name)) for name in cleared}
    with_helpers = people.with_helper_columns(rows)
    if id_columns and role.by(f.name for f in event.fields) is None:  # records that only describe a person
        with_helpers = with_helpers.where(~F.coalesce(names_erased, F.lit(False)))
    return with_helpers.withColumns(new).drop(*suppression.HELPER_COLUMNS)


def _replaced_id(rows: DataFrame, name: str, people: ErasedIds, names_erased: Column) -> Column:
    """Return an id column in which a replacement id (atomic) or NULL (nested) replaces ids of erased people."""
    data_type = rows.schema[name].dataType
    if not isinstance(data_type, AtomicType):
        return F.when(names_erased, F.lit(None)).otherwise(records.quoted(name))
    scope = people.suppressed.role.by([c.lower() for c in rows.columns])
    person = records.quoted(name).try_cast("bigint")
    replacement = people.replacement(person, F.col(scope) if scope else F.lit("")).cast(data_type)
    return F.when(people.has(person), replacement).otherwise(records.quoted(name))


def _rewrite(context: RunContext, event: Event, file: LandedFile, people: ErasedIds) -> LandedFile | None:
    """Rewrite a landed file without erased people. Returns the file as it is then.

    The new file is moved over the old one, so a reader finds one or the other. Returns None, and leaves the file, when
    its producer has changed it meanwhile.
    """
    spark, folder = context.spark, f"{file.uri.rsplit('/', 1)[0]}/_erasing"
    files.delete(spark, folder)
    new = _write_without_people(spark, event, file, people, folder)
    now = files.status(spark, file.uri)
    if now is None or (now.size, now.modified) != (file.size, file.modified):
        files.delete(spark, folder)
        return None
    files.replace(spark, file.uri, by=new.uri)
    files.delete(spark, folder)
    # An object store copies a file to move it, so the moved file has another time.
    moved = new if file.uri.startswith("file:") else files.status(spark, file.uri) or new
    return replace(file, size=moved.size, modified=moved.modified)


def _write_without_people(
    spark: SparkSession, event: Event, file: LandedFile, people: ErasedIds, folder: str
) -> LandedFile:
    """Write the new content of a landed file, in its format, as the only file of a folder. Returns that file."""
    if file.name.endswith(landing.PARQUET):
        _rows_without_people(_parquet(spark, file), event, people).coalesce(1).write.parquet(folder)
    else:
        lines = people.with_helper_columns(_lines(spark, event, [file.uri]))
        compression = "gzip" if file.name.endswith(".gz") else "none"
        _lines_without_people(lines, event, people).coalesce(1).write.option("compression", compression).text(folder)
    if file.name.endswith(".zst"):  # Spark reads text in this format and cannot write it
        files.compress(spark, files.list_files(spark, folder)[0].uri, f"{folder}/_{file.name}")
        files.replace(spark, files.list_files(spark, folder)[0].uri, by=f"{folder}/_{file.name}")
    return files.list_files(spark, folder)[0]
