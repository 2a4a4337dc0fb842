"""Reads the landing zone: `<landing>/<event>/hour=2026-06-01T10/<file>`, JSON Lines or Parquet, any mix."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.conf import Settings
from etl.contract import Event
from etl.engine import files, records, suppression
from etl.engine.files import LandedFile

TEXT = (".jsonl", ".jsonl.gz", ".jsonl.zst")
PARQUET = (".parquet",)
HOUR = "%Y-%m-%dT%H"
LONGEST = 2**24
"""Characters of one record, once files have to be read one by one: memory holds a few such records."""
RECORD_BYTES = 20  # a record compressed: of a file's records no more than its size is known before it is read
OWN = ("_file", "source_file", "landed_hour")


@dataclass(frozen=True)
class Landed:
    """The files of one event in one landed hour."""

    hour: datetime
    files: tuple[LandedFile, ...]

    @property
    def fingerprint(self) -> str:
        """Changes when a file is added, or is not the file it was."""
        text = "\n".join(f"{f.name} {f.size} {f.modified}" for f in self.files)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def exactly(uri: str) -> str:
    """The path that reads this file and no other: `*.jsonl` may be a file's own name, and means many to Spark."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", uri)


def folder(hour: datetime) -> str:
    """The name of the folder that files of an hour land in."""
    return f"hour={hour.strftime(HOUR)}"


def listing(
    spark: SparkSession, settings: Settings, event: Event, hours: list[datetime], hidden: bool = False
) -> list[Landed]:
    """What has landed of an event, hour by hour; an hour without a folder has no files.

    `hidden` are those files that a producer has not given their name yet, and what is left of one that was killed.
    """
    root = f"{files.absolute(settings.landing)}/{event.name}"
    found = ((hour, files.list_files(spark, f"{root}/{folder(hour)}", hidden)) for hour in hours)
    return [Landed(hour, tuple(_inside(settings, listed))) for hour, listed in found]


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
            rows = spark.read.parquet(exactly(file.uri))
            raw = records.as_text(rows.columns)
        else:
            rows, raw = spark.read.text(exactly(file.uri)), F.col("value")
        (found,) = rows.select(F.max(F.length(raw)), F.max("_metadata.file_path")).collect()
        return bool((found[0] or 0) <= LONGEST)
    except (Py4JJavaError, PySparkException):
        return False


def known(file: LandedFile) -> bool:
    """Whether the name says a format this reader has, and the file lies in the landing zone."""
    return file.name.endswith((*TEXT, *PARQUET)) and not file.is_outside


def read(spark: SparkSession, settings: Settings, event: Event, landed: list[Landed]) -> DataFrame:
    """All records: raw, source_file, landed_hour, a typed column per field, `_corrupt`, and what `enrich` adds."""
    found = [file for part in landed for file in part.files]
    hour = F.lit(landed[0].hour) if len(landed) == 1 else _hour_of("_file")
    parts = _text(spark, event, hour, [exactly(f.uri) for f in found if f.name.endswith(TEXT)])
    parts += _columnar(spark, event, hour, [exactly(f.uri) for f in found if f.name.endswith(PARQUET)])
    if not parts:
        parts = [records.parse_text(_provenance(_no_lines(spark), hour), event)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.unionByName(part)
    known = suppression.apply(whole, event, suppression.load(spark, files.absolute(settings.lake)))
    return records.enrich(known, event, settings)


def _file() -> Column:
    return F.col("_metadata.file_path").alias("_file")


def _no_lines(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], "raw STRING, _file STRING")


def _hour_of(file: str) -> Column:
    """Landed hour by a file's own path, `.../hour=2026-06-01T10/<file>`.

    By position: it is done for every record, and a pattern takes longer than all that is judged of one.
    """
    folder = F.substring_index(file, "/", -2)
    return F.concat(F.substring(folder, len("hour=") + 1, len("2026-06-01T10")), F.lit(":00")).cast("timestamp")


def _provenance(rows: DataFrame, hour: Column) -> DataFrame:
    """Adds landed_hour, and `_file` as source_file."""
    return rows.withColumn("landed_hour", hour).withColumnRenamed("_file", "source_file")


def _text(spark: SparkSession, event: Event, hour: Column, uris: list[str]) -> list[DataFrame]:
    if not uris:
        return []
    lines = spark.read.text(uris).select(F.col("value").alias("raw"), _file())
    return [records.parse_text(_provenance(lines.where("trim(raw) != ''"), hour), event)]


def _columnar(spark: SparkSession, event: Event, hour: Column, uris: list[str]) -> list[DataFrame]:
    """Files that agree on the type of each column are read as one; else those of another schema by their own."""
    if not uris:
        return []
    try:
        groups = [spark.read.option("mergeSchema", "true").parquet(*uris)]  # all schemas in one job
    except (Py4JJavaError, PySparkException):
        groups = _by_schema(spark, uris)
    return [records.parse_columns(_provenance(_given(rows), hour), event) for rows in groups]


def _by_schema(spark: SparkSession, uris: list[str]) -> list[DataFrame]:
    """A DataFrame for each schema there is; a job for each file."""
    found: dict[str, list[str]] = {}
    for uri in uris:
        found.setdefault(spark.read.parquet(uri).schema.simpleString(), []).append(uri)
    return [spark.read.parquet(*group) for group in found.values()]


def _given(rows: DataFrame) -> DataFrame:
    """Columns of a file, but those of our own names, and `_file`."""
    return rows.select(*[records.quoted(c) for c in rows.columns if c.lower() not in OWN], _file())
