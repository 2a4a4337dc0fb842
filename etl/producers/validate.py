"""Judges files before they land, with the code of landing. It needs no lake and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.conf import Settings
from etl.engine.landing import faults, records
from etl.engine.landing import reader as landing
from etl.engine.landing.shape import FILE
from etl.engine.spark import files
from etl.engine.spark.options import options
from etl.errors import first_line
from etl.model.contract import Event
from etl.producers import names, verdict
from etl.producers.verdict import RefusedRecord, Verdict

ONE_SPLIT = {"spark.sql.files.maxPartitionBytes": str(2**50), "spark.sql.files.openCostInBytes": str(2**50)}
"""Options with which Spark reads each file in one task, in its order, so that lines can be counted."""
LINE, UNPARSEABLE = "_line", "unparseable"
NO_TEXT = "no line is a JSON object in UTF-8"


@dataclass(frozen=True)
class Judge:
    """Judges the files of one event.

    hour: the landed hour that times are compared with; None: the hour of a folder `hour=…` in a path, or no hour.
    max_records: how many refused records a verdict has. show_personal: whether it has values of people.
    """

    spark: SparkSession
    settings: Settings
    event: Event
    hour: datetime | None = None
    max_records: int = 10
    show_personal: bool = False

    def file(self, path: str) -> Verdict:
        """What landing would do with one file."""
        uri = files.absolute(path)
        if problem := _problem(self.spark, uri):
            return Verdict(path, problem)
        hour = self.hour or _hour_of(uri)
        try:
            with options(self.spark, ONE_SPLIT):
                rows, columns = _rows(self.spark, uri, hour)
                found = self._counted(path, rows, columns)
                return replace(found, hour=hour.astimezone(UTC).strftime(landing.HOUR) if hour else None)
        except (Py4JJavaError, PySparkException) as error:
            return Verdict(path, f"cannot be read to its end ({_cause(error)})")

    def _counted(self, path: str, rows: DataFrame, columns: list[str] | None) -> Verdict:
        """The verdict on the records of a file. `columns` are those of the file; None for text."""
        parse = records.parse_text if columns is None else records.parse_columns
        judged = records.enrich(parse(rows, self.event), self.event, self.settings)
        counts = judged.agg(*self._counts()).collect()[0].asDict()
        found = Verdict(path, **counts)
        if found.refused:
            found = self._with_refused(found, judged)
        if not found.accepted and found.refused and found.refused == found.reasons.get(UNPARSEABLE):
            return Verdict(path, NO_TEXT, read=found.read)
        return self._with_names(found, _names(rows) if columns is None else columns) if found.read else found

    def _counts(self) -> list[Column]:
        """Records, accepted records, and the range of the event's own times."""
        times = [F.expr(time) for time, _ in self.event.times] or [F.lit(None).cast("timestamp")]
        earliest, latest = (F.least(*times), F.greatest(*times)) if len(times) > 1 else (times[0], times[0])
        return [
            F.count("*").alias("read"),
            F.count_if(~faults.is_bad(self.event, self.settings)).alias("accepted"),
            F.min(earliest).cast("string").alias("first"),
            F.max(latest).cast("string").alias("last"),
        ]

    def _with_refused(self, found: Verdict, judged: DataFrame) -> Verdict:
        """The same verdict with the reasons, and with the first refused records."""
        bad = judged.where(faults.is_bad(self.event, self.settings)).select(
            LINE, F.make_valid_utf8("raw").alias("raw"), faults.reasons(self.event, self.settings).alias("reasons")
        )
        counted = bad.select(F.explode("reasons").alias("reason")).groupBy("reason").count().collect()
        reasons = {r["reason"]: r["count"] for r in sorted(counted, key=lambda r: (-r["count"], r["reason"]))}
        first = bad.orderBy(LINE).limit(self.max_records).collect() if self.max_records else []
        refused = [RefusedRecord(r[LINE], r["reasons"], self._values(r["reasons"], r["raw"])) for r in first]
        stops_hour = found.refused > max(1, self.settings.quarantine_share * found.read)
        return replace(found, reasons=reasons, records=refused, stops_hour=stops_hour)

    def _values(self, reasons: list[str], raw: str) -> dict[str, str]:
        return verdict.values(self.event, reasons, raw, self.show_personal)

    def _with_names(self, found: Verdict, seen: list[str]) -> Verdict:
        """The same verdict with the unknown and the missing fields."""
        known = [field.name for field in self.event.fields]
        wanted = faults.required(self.event, self.settings)
        absent = [name for name in known if name not in seen]
        unknown = names.nearest([name for name in seen if name not in known], self.event, absent)
        return replace(found, unknown=unknown, missing=[name for name in absent if name in wanted])


def _problem(spark: SparkSession, uri: str) -> str:
    """Why no record of a file can be read, before it is opened; empty when it may be readable."""
    found = files.status(spark, uri)
    if found is None:
        return "does not exist"
    if files.is_folder(spark, uri):
        return "is a folder: name its files"
    if not landing.known(found):
        suffixes = ", ".join((*landing.TEXT, *landing.COLUMNAR))
        return f"is of no landing format: its name must end in {suffixes}. `feed-etl import log` lands other logs"
    return ""


def _hour_of(uri: str) -> datetime | None:
    """The landed hour of a file that is in the folder of one."""
    return next((hour for part in PurePosixPath(uri).parts if (hour := landing.hour_of(part))), None)


def _rows(spark: SparkSession, uri: str, hour: datetime | None) -> tuple[DataFrame, list[str] | None]:
    """The records of a file with their lines, and the names of its columns; None for text, whose records have names."""
    number = (F.monotonically_increasing_id() + 1).alias(LINE)
    provenance = (F.col(FILE).alias("source_file"), F.lit(hour).cast("timestamp").alias("landed_hour"), number)
    if uri.endswith(landing.TEXT):
        return landing.all_lines(spark, [uri]).select("raw", *provenance).where(landing.IS_RECORD), None
    (rows,) = landing.tables(spark, [uri])
    columns = [name for name in rows.columns if name != FILE]
    return rows.select(*map(records.quoted, columns), *provenance), columns


def _names(rows: DataFrame) -> list[str]:
    """The names of the fields of JSON objects, one each."""
    found = rows.select(F.explode(F.json_object_keys("raw")).alias("name")).distinct().collect()
    return sorted(row["name"] for row in found)


def _cause(error: Exception) -> str:
    """The last cause of Spark's error, in one line."""
    text = str(error.java_exception) if isinstance(error, Py4JJavaError) else str(error)
    causes = [line for line in text.splitlines() if line.startswith("Caused by: ")]
    return first_line(causes[-1].removeprefix("Caused by: ") if causes else text, 120)
