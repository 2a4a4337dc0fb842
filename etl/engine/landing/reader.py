"""Reads the landing zone: `<landing>/<event>/hour=2026-06-01T10/<file>`, as JSON Lines, Parquet or Avro in any mix."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.conf import Settings
from etl.engine.landing import avro, columnar, records
from etl.engine.landing.shape import FILE
from etl.engine.people import suppression
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile
from etl.model.contract import Event

TEXT = (".jsonl", ".jsonl.gz", ".jsonl.zst")
PARQUET, AVRO = (".parquet",), (".avro",)
COLUMNAR = PARQUET + AVRO
"""Formats whose files have typed columns and a schema of their own."""
IS_RECORD = "trim(raw) != ''"
"""SQL predicate of the lines that are records."""
HOUR = "%Y-%m-%dT%H"
MAX_LENGTH = 2**24
"""Largest number of characters of a record when files are checked one by one: a few such records fit in memory."""
SAMPLE = 20_000
"""About so many records of a batch are searched for unknown fields, at most: a smaller batch is searched as a whole."""
RECORD_BYTES = 20
"""Size of a compressed record, to estimate the number of records of a file before it is read."""


@dataclass(frozen=True)
class Landed:
    """The files of one event in one landed hour."""

    hour: datetime
    files: tuple[LandedFile, ...]

    @property
    def fingerprint(self) -> str:
        """A hash of the paths, sizes and modification times: it changes when a file is added, replaced or removed."""
        text = "\n".join(f"{f.path} {f.size} {f.modified}" for f in self.files)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def folder(hour: datetime) -> str:
    """The name of the folder of a landed hour: `hour=2026-06-01T10`."""
    return f"hour={hour.strftime(HOUR)}"


def event_uri(settings: Settings, event: Event) -> str:
    """The folder of an event in the landing zone."""
    return f"{files.absolute(settings.landing)}/{event.name}"


def hour_uri(settings: Settings, event: Event, hour: datetime) -> str:
    """The folder of an event's landed hour."""
    return f"{event_uri(settings, event)}/{folder(hour)}"


def hour_of(name: str) -> datetime | None:
    """The landed hour of a folder name; None when the name has another form."""
    try:
        hour = datetime.strptime(name, f"hour={HOUR}").replace(tzinfo=UTC)
    except ValueError:
        return None
    return hour if name == folder(hour) else None


def ignored_names(spark: SparkSession, settings: Settings, event: Event) -> list[str]:
    """Names of visible files and folders in an event's folder that are not landed hours: no run reads them."""
    root = event_uri(settings, event)
    folders = [f for f in files.list_folders(spark, root) if not f.is_hidden and hour_of(f.name) is None]
    return sorted(f.name for f in [*folders, *files.list_files(spark, root)])


def listing(
    spark: SparkSession, settings: Settings, event: Event, hours: list[datetime], hidden: bool = False
) -> list[Landed]:
    """The landed files of an event, hour by hour, at any depth of folders. An hour without a folder has no files.

    With `hidden` only the hidden files are listed: files whose name, or a folder below the hour's folder, begins with
    `.` or `_`. A producer has not finished these files, or was killed.
    """
    found = ((hour, files.list_below(spark, hour_uri(settings, event, hour))) for hour in hours)
    return [
        Landed(hour, tuple(_with_links_outside(settings, [f for f in listed if f.is_hidden == hidden])))
        for hour, listed in found
    ]


def _with_links_outside(settings: Settings, listed: list[LandedFile]) -> list[LandedFile]:
    """The same files. A link to outside the landing zone gets `is_outside`, so no run reads or removes it."""
    if not files.absolute(settings.landing).startswith("file:"):
        return listed
    root = files.local_folder(settings.landing).resolve()
    return [
        f if files.local_folder(f.uri).resolve().is_relative_to(root) else replace(f, is_outside=True) for f in listed
    ]


def unreadable(spark: SparkSession, landed: list[Landed]) -> list[tuple[datetime, LandedFile]]:
    """Every file that cannot be read to its end or has an unknown format. It reads each file, so it is slow."""
    found = [(part.hour, file) for part in landed for file in part.files]
    return [(hour, file) for hour, file in found if not _is_readable(spark, file)]


def _is_readable(spark: SparkSession, file: LandedFile) -> bool:
    if not known(file):
        return False
    try:
        if file.name.endswith(COLUMNAR):
            (rows,) = tables(spark, [file.uri])
            raw = records.as_text([c for c in rows.columns if c != FILE])
        else:
            rows, raw = lines(spark, [file.uri]), F.col("raw")
        (found,) = rows.select(F.max(F.length(raw)), F.max("_file")).collect()
        return bool((found[0] or 0) <= MAX_LENGTH)
    except (Py4JJavaError, PySparkException):
        return False


def known(file: LandedFile) -> bool:
    """Whether the file name has the suffix of a known format and the file lies in the landing zone."""
    return file.name.endswith((*TEXT, *COLUMNAR)) and not file.is_outside


def read(spark: SparkSession, settings: Settings, event: Event, landed: list[Landed]) -> DataFrame:
    """All records of some landed hours, with erased people suppressed.

    Columns: raw, source_file, landed_hour, a typed column per field, `_corrupt`, `_unknown` (see `records.parse_text`),
    and those that `records.enrich` adds.
    """
    found = [file for part in landed for file in part.files]
    one_in = max(1, sum(file.size for file in found) // RECORD_BYTES // SAMPLE)
    hour = F.lit(landed[0].hour) if len(landed) == 1 else _hour_of(spark, settings, event)
    parts = _text(spark, event, hour, [f.uri for f in found if f.name.endswith(TEXT)], one_in)
    parts += _columnar(spark, event, hour, [f.uri for f in found if f.name.endswith(COLUMNAR)], one_in)
    if not parts:
        parts = [records.parse_text(_provenance(_no_lines(spark), hour), event)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.unionByName(part)
    suppressed = suppression.apply(whole, event, suppression.load(spark, files.absolute(settings.lake)))
    return records.enrich(suppressed, event, settings)


def _no_lines(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], "raw STRING, _file STRING")


def _hour_of(spark: SparkSession, settings: Settings, event: Event) -> Column:
    """The landed hour of a record, from the path of its file: `<root>/hour=2026-06-01T10/<path>`.

    It cuts the path by position: a regular expression for every record takes longer than all checks of the record.
    """
    before = files.escaped_path(spark, event_uri(settings, event)) + "/hour="
    hour = F.substring("_file", F.locate(before, F.col("_file")) + len(before), F.lit(len("2026-06-01T10")))
    return F.concat(hour, F.lit(":00")).cast("timestamp")


def _provenance(rows: DataFrame, hour: Column) -> DataFrame:
    """The same rows with landed_hour, and with `_file` renamed to source_file."""
    return rows.withColumn("landed_hour", hour).withColumnRenamed("_file", "source_file")


def lines(spark: SparkSession, uris: list[str]) -> DataFrame:
    """Text files as records with the columns raw and `_file`. Only `all_lines` decides where a record ends."""
    return all_lines(spark, uris).where(IS_RECORD)


def all_lines(spark: SparkSession, uris: list[str]) -> DataFrame:
    """Text files as lines with the columns raw and `_file`, with the empty ones, which are no records.

    A line ends with LF, CRLF or CR. A CR within a line that is one JSON object is white space between its tokens.
    """
    read = spark.read.option("lineSep", "\n").text([files.glob_escape(uri) for uri in uris])
    return read.select(F.explode(records.split("value")).alias("raw"), F.col("_metadata.file_path").alias("_file"))


def _text(spark: SparkSession, event: Event, hour: Column, uris: list[str], one_in: int) -> list[DataFrame]:
    return [records.parse_text(_provenance(lines(spark, uris), hour), event, one_in)] if uris else []


def _columnar(spark: SparkSession, event: Event, hour: Column, uris: list[str], one_in: int) -> list[DataFrame]:
    """The records of Parquet and Avro files; one DataFrame for each schema."""
    return [records.parse_columns(_provenance(rows, hour), event, one_in) for rows in tables(spark, uris)]


def tables(spark: SparkSession, uris: list[str]) -> list[DataFrame]:
    """The rows of Parquet and Avro files with their columns and `_file`; one DataFrame for each schema.

    Raises Py4JJavaError or PySparkException when a file is not of its format.
    """
    parquet = [uri for uri in uris if uri.endswith(PARQUET)]
    others = [uri for uri in uris if not uri.endswith(PARQUET)]
    found = columnar.frames(spark, parquet) if parquet else []
    return found + (avro.frames(spark, others) if others else [])
