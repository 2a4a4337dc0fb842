"""Reads the landing zone: `<landing>/<event>/hour=2026-06-01T10/<file>`, JSON Lines or Parquet, any mix."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
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


def listing(spark: SparkSession, settings: Settings, event: Event, hours: list[datetime]) -> list[Landed]:
    """What has landed of an event, hour by hour; an hour without a folder has no files."""
    root = f"{files.absolute(settings.landing)}/{event.name}"
    return [Landed(hour, tuple(files.list_files(spark, f"{root}/hour={hour.strftime(HOUR)}"))) for hour in hours]


def unreadable(spark: SparkSession, landed: list[Landed]) -> list[tuple[datetime, LandedFile]]:
    """Every file that cannot be read to its end, or is of no known format. Reads each file: a slow path."""
    found = [(part.hour, file) for part in landed for file in part.files]
    return [(hour, file) for hour, file in found if not _is_readable(spark, file)]


def _is_readable(spark: SparkSession, file: LandedFile) -> bool:
    try:
        if file.name.endswith(PARQUET):
            rows = spark.read.parquet(exactly(file.uri))
            raw = records.as_text(rows.columns)
        else:
            rows, raw = spark.read.text(exactly(file.uri)), F.col("value")
        (found,) = rows.select(F.max(F.length(raw)), F.max("_metadata.file_path")).collect()
        return known(file) and (found[0] or 0) <= LONGEST
    except (Py4JJavaError, PySparkException):
        return False


def known(file: LandedFile) -> bool:
    """Whether the name says a format this reader has."""
    return file.name.endswith((*TEXT, *PARQUET))


def read(spark: SparkSession, settings: Settings, event: Event, landed: list[Landed]) -> DataFrame:
    """All records: raw, source_file, landed_hour, a typed column per field, `_corrupt`, and what `enrich` adds."""
    found = [file for part in landed for file in part.files]
    parts = _text(spark, event, [exactly(f.uri) for f in found if f.name.endswith(TEXT)])
    parts += _columnar(spark, event, [exactly(f.uri) for f in found if f.name.endswith(PARQUET)])
    if not parts:
        parts = [records.parse_text(_provenance(_no_lines(spark)), event)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.unionByName(part)
    known = suppression.apply(whole, event, suppression.load(spark, files.absolute(settings.lake)))
    return records.enrich(known, event, settings)


def _file() -> Column:
    return F.col("_metadata.file_path").alias("_file")


def _no_lines(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], "raw STRING, _file STRING")


def _provenance(rows: DataFrame) -> DataFrame:
    """Adds source_file and landed_hour from the file's own path, `_file`."""
    hour = F.to_timestamp(F.regexp_extract("_file", r"/hour=(\d{4}-\d{2}-\d{2}T\d{2})/", 1), "yyyy-MM-dd'T'HH")
    return rows.withColumn("source_file", F.col("_file")).withColumn("landed_hour", hour).drop("_file")


def _text(spark: SparkSession, event: Event, uris: list[str]) -> list[DataFrame]:
    if not uris:
        return []
    lines = spark.read.text(uris).select(F.col("value").alias("raw"), _file())
    return [records.parse_text(_provenance(lines.where("trim(raw) != ''")), event)]


def _columnar(spark: SparkSession, event: Event, uris: list[str]) -> list[DataFrame]:
    """Files of one schema are read together; a file of another schema is judged by its own."""
    by_schema: dict[str, list[str]] = {}
    for uri in uris:
        by_schema.setdefault(spark.read.parquet(uri).schema.simpleString(), []).append(uri)
    return [
        records.parse_columns(_provenance(_given(spark.read.parquet(*group))), event) for group in by_schema.values()
    ]


def _given(rows: DataFrame) -> DataFrame:
    """Columns of a file, but those of our own names, and `_file`."""
    return rows.select(*[records.quoted(c) for c in rows.columns if c.lower() not in OWN], _file())
