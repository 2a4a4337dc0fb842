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
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.engine.jobs.run_context import RunContext, log, record
from etl.engine.landing import reader as landing
from etl.engine.landing.reader import Landed
from etl.engine.people.suppression import ErasedIds, SuppressionList
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile
from etl.engine.state.entry import TO_BE_READ
from etl.model.contract import Event, Table
from etl.model.privacy import ROLES, Role
from etl.operations.erasure import landed_lines, landed_rows, rewrites
from etl.operations.erasure.rewrites import Rewrites


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
        noted = rewrites.load(context.spark, landing.hour_uri(context.settings, table.event, part.hour))
        was_read = read.get(part.hour.isoformat()) == noted.before(part).fingerprint
        counts, people, unread = _find_people(context.spark, table.event, part, suppressed)
        rewritten = {
            file: _rewrite(context, table.event, file, people, noted) if file.path in counts else file
            for file in part.files
        }
        unread += [file for file, new in rewritten.items() if new is None]
        after = Landed(part.hour, tuple(new or file for file, new in rewritten.items()))
        if noted.states:
            if part.hour.isoformat() in read:
                _record_rewritten(context, table, part.hour, after.fingerprint if was_read else TO_BE_READ)
            noted.delete()
        for file in unread:
            log.warning("%s: this file was not searched, so it may name erased people: %r", table.name, file.uri)
        result.records |= {f"{folder}/{name}": count for name, count in counts.items()}
        result.unread += [f"{folder}/{file.path}" for file in unread]
        result.fingerprints[part.hour] = after.fingerprint
    return result


def unlisted(context: RunContext, event: Event, hours: list[datetime]) -> list[str]:
    """Return the files below an event's folder that no run reads: hidden ones, and those outside of landed hours."""
    root, folders = landing.event_uri(context.settings, event), {landing.folder(hour) for hour in hours}
    landed = [f for f in files.walk(context.spark, root) if not f.name.endswith(".crc")]
    paths = [files.relative_path(root, f.uri) for f in landed]
    return sorted(f"{event.name}/{path}" for path in paths if not _is_read(path, folders))


def _is_read(path: str, folders: set[str]) -> bool:
    """Whether a run reads a file at this path below an event's folder."""
    hour, *below = path.split("/")
    return hour in folders and bool(below) and not files.is_hidden("/".join(below))


def _record_rewritten(context: RunContext, table: Table, hour: datetime, fingerprint: str) -> None:
    """Record the fingerprint of rewritten files, so that no run reads them as new files.

    TO_BE_READ stands for an hour into which files have landed that no run has read.
    """
    entry = context.begin(table)
    entry.fingerprints = {hour.isoformat(): fingerprint}
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
    frames = [(landed_lines.read(spark, event, [f.uri for f in texts]), texts)] if texts else []
    tables = [f for f in readable if f.name.endswith(landing.COLUMNAR)]
    frames += [(landed_rows.read_with_source(spark, file), [file]) for file in tables]
    ids = [rows.select(F.explode(_named_ids(rows, event, suppressed.role, sources))) for rows, sources in frames]
    people = suppressed.erased_among(reduce(DataFrame.union, ids, spark.createDataFrame([], "id BIGINT")))
    counts: dict[str, int] = {}
    for rows, sources in frames if people.ids else []:
        names_erased = F.arrays_overlap(F.col("_ids"), _named_ids(rows, event, suppressed.role, sources))
        counts |= _count_by_file(people.with_helper_columns(rows).where(names_erased), sources)
    return counts, people


def _named_ids(rows: DataFrame, event: Event, role: Role, sources: list[LandedFile]) -> Column:
    """Return the ids by which records of these files, which have one format, may name people."""
    is_text = sources[0].name.endswith(landing.TEXT)
    return landed_lines.named_ids(event, role) if is_text else landed_rows.named_ids(rows, role)


def _count_by_file(rows: DataFrame, sources: list[LandedFile]) -> dict[str, int]:
    """Return path below the hour -> number of rows. Spark writes a file name as a URL, with one slash or three."""
    paths = {files.relative_path("file:", f.uri): f.path for f in sources}
    counts = rows.groupBy("source_file").count().collect()
    return {paths[files.relative_path("file:", unquote(row["source_file"]))]: row["count"] for row in counts}


def _rewrite(
    context: RunContext, event: Event, file: LandedFile, people: ErasedIds, noted: Rewrites
) -> LandedFile | None:
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
    noted.add(file, new)
    files.replace(spark, file.uri, by=new.uri)
    files.delete(spark, folder)
    if not file.uri.startswith("file:"):  # an object store copies a file to move it: the moved file has another time
        new = files.status(spark, file.uri) or new
        noted.add(file, new)
    return replace(file, size=new.size, modified=new.modified)


def _write_without_people(
    spark: SparkSession, event: Event, file: LandedFile, people: ErasedIds, folder: str
) -> LandedFile:
    """Write the new content of a landed file, in its format, as the only file of a folder. Returns that file."""
    if file.name.endswith(landing.COLUMNAR):
        landed_rows.write(landed_rows.without_people(landed_rows.read(spark, file), event, people), file, folder)
    else:
        lines = people.with_helper_columns(landed_lines.read(spark, event, [file.uri]))
        compression = "gzip" if file.name.endswith(".gz") else "none"
        clean_lines = landed_lines.without_people(lines, event, people).coalesce(1)
        clean_lines.write.option("compression", compression).text(folder)
    if file.name.endswith(".zst"):  # Spark reads text in this format and cannot write it
        files.compress(spark, files.list_files(spark, folder)[0].uri, f"{folder}/_{file.name}")
        files.replace(spark, files.list_files(spark, folder)[0].uri, by=f"{folder}/_{file.name}")
    return files.list_files(spark, folder)[0]
