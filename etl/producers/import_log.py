"""Lands a log of another system: each SQL file of a folder, `<event>.sql`, selects the records of one event from it.

A mapping is SQL and nothing else. The log is the view `log`, with its own names. `snowflake_id(time, number)` makes an
id that contains its time, where an event needs one. Each record lands in the hour in which it happened, and a change
before the first fact lands with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.conf import Settings
from etl.engine.landing import reader as landing
from etl.engine.spark import files
from etl.errors import LandingError, first_line
from etl.model.contract import Event
from etl.producers import contract
from etl.transforms.snowflake import ID_BITS

VIEW = "log"
Reader = Callable[[SparkSession, list[str]], DataFrame]
READERS: dict[tuple[str, ...], Reader] = {
    (".csv", ".csv.gz"): lambda spark, uris: spark.read.csv(uris, header=True, inferSchema=True),
    (".jsonl", ".jsonl.gz"): lambda spark, uris: spark.read.json(uris),
    (".parquet",): lambda spark, uris: spark.read.parquet(*uris),
    (".avro",): lambda spark, uris: spark.read.format("avro").load(uris),
}


@dataclass(frozen=True)
class Imported:
    """What was landed: records by event, and the interval of landed hours [start, end) to run."""

    records: dict[str, int]
    start: datetime
    end: datetime


def land(spark: SparkSession, settings: Settings, source: str, mapping: Path) -> Imported:
    """Write the records that the mapping selects from a log to the landing zone, as Parquet.

    Raises LandingError when the log or a mapping cannot be read, and when an event of it has files already.
    """
    selected = _selected(spark, settings, source, mapping)
    for event in selected:
        uri = landing.event_uri(settings, event)
        if files.list_folders(spark, uri):
            raise LandingError(f"{uri} has landed files already. Give --landing a place without, or remove them.")
    start = _first_fact(selected)
    hours = {event: _hours(event, rows, start) for event, rows in selected.items()}
    records = {event.name: _write(settings, event, rows) for event, rows in hours.items()}
    found = [hour for event in hours for hour in _landed(spark, settings, event)]
    if not found:
        raise LandingError(f"The mapping in {mapping} selects no record of {source}. Check its WHERE clauses.")
    return Imported(records, min(found), max(found) + timedelta(hours=1))


def _selected(spark: SparkSession, settings: Settings, source: str, mapping: Path) -> dict[Event, DataFrame]:
    """Event -> the records that its SQL file selects."""
    queries = {contract.event(file.stem): file for file in sorted(mapping.glob("*.sql"))}
    if not queries:
        raise LandingError(f"{mapping} has no file EVENT.sql. Write one for each event that the log has records of.")
    _log(spark, source).createOrReplaceTempView(VIEW)
    spark.sql(
        "CREATE OR REPLACE TEMPORARY FUNCTION snowflake_id(time TIMESTAMP, number BIGINT) RETURNS BIGINT RETURN "
        f"shiftleft(unix_millis(time) - {settings.snowflake_epoch_ms}L, {ID_BITS}) + number % {2**ID_BITS}"
    )
    return {event: _select(spark, event, file) for event, file in queries.items()}


def _log(spark: SparkSession, source: str) -> DataFrame:
    """The rows of a log. Raises LandingError when it cannot be read."""
    read = next((reader for suffixes, reader in READERS.items() if source.endswith(suffixes)), None)
    if read is None:
        suffixes = ", ".join(chain(*READERS))
        raise LandingError(f"{source} is no log that `import log` reads: its name must end in {suffixes}.")
    try:
        return read(spark, [files.glob_escape(files.absolute(source))])
    except (Py4JJavaError, PySparkException) as error:
        raise LandingError(f"{source} cannot be read: {first_line(error)}") from error


def _select(spark: SparkSession, event: Event, file: Path) -> DataFrame:
    """The rows of a mapping. Raises LandingError when its SQL is wrong or selects no time to land by."""
    try:
        rows = spark.sql(file.read_text(encoding="utf-8"))
    except (PySparkException, ValueError) as error:
        raise LandingError(f"{file} is no valid mapping: {first_line(error)}") from error
    if _time(event) not in rows.columns:
        raise LandingError(f"{file} selects no {_time(event)}, by which the records of {event.name} land.")
    return rows


def _time(event: Event) -> str:
    """The field by which records land: the first one with a time or a day."""
    return next(field.name for field in event.fields if field.type in ("TIMESTAMP", "DATE"))


def _first_fact(selected: dict[Event, DataFrame]) -> datetime | None:
    """The first hour of the facts: changes before it land in it. None without facts."""
    firsts = [rows.agg(F.min(_hour(event))).collect()[0][0] for event, rows in selected.items() if event.times]
    return min((first for first in firsts if first), default=None)


def _hour(event: Event) -> Column:
    return F.date_trunc("hour", F.col(_time(event)).cast("timestamp"))


def _hours(event: Event, rows: DataFrame, start: datetime | None) -> DataFrame:
    """The same rows with `hour`, the name of their landed hour."""
    hour = F.greatest(_hour(event), F.lit(start).cast("timestamp")) if start else _hour(event)
    return rows.withColumn("hour", F.date_format(hour, "yyyy-MM-dd'T'HH"))


def _write(settings: Settings, event: Event, rows: DataFrame) -> int:
    """Write one file for each landed hour; returns the number of records."""
    uri = landing.event_uri(settings, event)
    rows.repartition("hour").write.mode("append").partitionBy("hour").parquet(uri)
    return rows.sparkSession.read.parquet(uri).count()


def _landed(spark: SparkSession, settings: Settings, event: Event) -> list[datetime]:
    """The landed hours of an event."""
    folders = files.list_folders(spark, landing.event_uri(settings, event))
    return [hour.astimezone(UTC) for folder in folders if (hour := landing.hour_of(folder.name))]
