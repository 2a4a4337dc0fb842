"""Reads the landing zone: `<landing>/<event>/hour=2026-06-01T10/<file>`, JSON Lines or Parquet, any mix."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.conf import Settings
from etl.engine.landing import columnar, records
from etl.engine.people import suppression
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile
from etl.model.contract import Event

TEXT = (".jsonl", ".jsonl.gz", ".jsonl.zst")
PARQUET = (".parquet",)
HOUR = "%Y-%m-%dT%H"
MAX_LENGTH = 2**24
"""Characters of one record, once files have to be read one by one: memory holds a few such records."""
RECORD_BYTES = 20  # a record compressed: of a file's records no more than its size is known before it is read


@dataclass(frozen=True)
class Landed:
    """The files of one event in one landed hour."""

    hour: datetime
    files: tuple[LandedFile, ...]

    @property
    def fingerprint(self) -> str:
        """Changes when a file is added, or is not the file it was."""
        text = "\n".join(f"{f.path} {f.size} {f.modified}" for f in self.files)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def folder(hour: datetime) -> str:
    """The name of the folder that files of an hour land in."""
    return f"hour={hour.strftime(HOUR)}"


def hour_of(name: str) -> datetime | None:
    """The hour of such a folder; None for a name of any other form."""
    try:
        hour = datetime.strptime(name, f"hour={HOUR}").replace(tzinfo=UTC)
    except ValueError:
        return None
    return hour if name == folder(hour) else None


def passed_over(spark: SparkSession, settings: Settings, event: Event) -> list[str]:
    """Names below an event's folder, hidden ones aside, that are no landed hour: nothing reads what is there."""
    root = f"{files.absolute(settings.landing)}/{event.name}"
    folders = [f for f in files.list_folders(spark, root) if not f.is_hidden and hour_of(f.name) is None]
    return sorted(f.name for f in [*folders, *files.list_files(spark, root)])


def listing(
    spark: SparkSession, settings: Settings, event: Event, hours: list[datetime], hidden: bool = False
) -> list[Landed]:
    """What has landed of an event, hour by hour, at any depth of folders; an hour without a folder has no files.

    `hidden` are those files that a producer has not given their name yet, and what is left of one that was killed:
    files whose name, or a folder below the hour's, begins with `.` or `_`.
    """
    root = f"{files.absolute(settings.landing)}/{event.name}"
    found = ((hour, files.list_below(spark, f"{root}/{folder(hour)}")) for hour in hours)
    return [
        Landed(hour, tuple(_inside(settings, [f for f in listed if f.is_hidden == hidden]))) for hour, listed in found
    ]


def _inside(settings: Settings, listed: list[LandedFile]) -> list[LandedFile]:
    """The same, with a mark on those that a link takes out of the landing zone: they are not ours to read or remove."""
    if not files.absolute(settings.landing).startswith("file:"):
        return listed
    root = files.local_folder(settings.landing).resolve()
    return [
        f if files.local_folder(f.uri).resolve().is_relative_to(root) else replace(f, is_outside=True) for f in listed
    ]


def unreadable(spark: SparkSession, landed: list[Landed]) -> list[tuple[datetime, LandedFile]]:
    """Every file that cannot be read to its end, or is of no known format. Reads each file: a slow path."""
    found = [(part.hour, file) for part in landed for file in part.files]
    return [(hour, file) for hour, file in found if not _is_readable(spark, file)]


def _is_readable(spark: SparkSession, file: LandedFile) -> bool:
    if not known(file):
        return False
    try:
        if file.name.endswith(PARQUET):
            (rows,) = columnar.frames(spark, [file.uri])
            raw = records.as_text([c for c in rows.columns if c != columnar.FILE])
        else:
            rows, raw = lines(spark, [file.uri]), F.col("raw")
        (found,) = rows.select(F.max(F.length(raw)), F.max("_file")).collect()
        return bool((found[0] or 0) <= MAX_LENGTH)
    except (Py4JJavaError, PySparkException):
        return False


def known(file: LandedFile) -> bool:
    """Whether the name says a format this reader has, and the file lies in the landing zone."""
    return file.name.endswith((*TEXT, *PARQUET)) and not file.is_outside


def read(spark: SparkSession, settings: Settings, event: Event, landed: list[Landed]) -> DataFrame:
    """All records: raw, source_file, landed_hour, a typed column per field, `_corrupt`, and what `enrich` adds."""
    found = [file for part in landed for file in part.files]
    hour = F.lit(landed[0].hour) if len(landed) == 1 else _hour_of(spark, settings, event)
    parts = _text(spark, event, hour, [f.uri for f in found if f.name.endswith(TEXT)])
    parts += _columnar(spark, event, hour, [f.uri for f in found if f.name.endswith(PARQUET)])
    if not parts:
        parts = [records.parse_text(_provenance(_no_lines(spark), hour), event)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.unionByName(part)
    known = suppression.apply(whole, event, suppression.load(spark, files.absolute(settings.lake)))
    return records.enrich(known, event, settings)


def _no_lines(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], "raw STRING, _file STRING")


def _hour_of(spark: SparkSession, settings: Settings, event: Event) -> Column:
    """Landed hour by a file's own path, `<root>/hour=2026-06-01T10/<path>`.

    By position: it is done for every record, and a pattern takes longer than all that is judged of one.
    """
    before = files.escaped_path(spark, f"{files.absolute(settings.landing)}/{event.name}") + "/hour="
    hour = F.substring("_file", F.locate(before, F.col("_file")) + len(before), F.lit(len("2026-06-01T10")))
    return F.concat(hour, F.lit(":00")).cast("timestamp")


def _provenance(rows: DataFrame, hour: Column) -> DataFrame:
    """Adds landed_hour, and `_file` as source_file."""
    return rows.withColumn("landed_hour", hour).withColumnRenamed("_file", "source_file")


def lines(spark: SparkSession, uris: list[str]) -> DataFrame:
    """Text files as records: raw, `_file`. This is the only place that says where a record ends.

    A line ends with LF, CRLF or CR. A CR within a line that is one JSON object is space between its tokens.
    """
    read = spark.read.option("lineSep", "\n").text([files.glob_escape(uri) for uri in uris])
    found = read.select(F.explode(records.split("value")).alias("raw"), F.col("_metadata.file_path").alias("_file"))
    return found.where("trim(raw) != ''")


def _text(spark: SparkSession, event: Event, hour: Column, uris: list[str]) -> list[DataFrame]:
    return [records.parse_text(_provenance(lines(spark, uris), hour), event)] if uris else []


def _columnar(spark: SparkSession, event: Event, hour: Column, uris: list[str]) -> list[DataFrame]:
    """Files of one shape are read as one."""
    groups = columnar.frames(spark, uris) if uris else []
    return [records.parse_columns(_provenance(rows, hour), event) for rows in groups]
