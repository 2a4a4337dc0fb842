"""Landed files without erased viewers: a file that names one is written anew under its name, all others stay.

A record keeps its place and what it says of the post; a stand-in takes the viewer's, as when it is read. A line that
cannot be parsed and holds the number of an erased viewer becomes one word, so that counts stay as they were.
"""

from __future__ import annotations

from datetime import datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.contract import Event, Table
from etl.engine import files, landing
from etl.engine.files import LandedFile
from etl.engine.landing import Landed
from etl.engine.suppression import NUMBER, Suppressed
from etl.engine.work import Work, record
from etl.errors import LandingError
from etl.privacy import STAND_IN_BY, by_column, viewer_column

VIEWER = rf'("(?:{"|".join(STAND_IN_BY)})"\s*:\s*"?)({NUMBER})'
DEVICE = r'("device_id"\s*:\s*)("[^"]*"|[^,}\s]+)'
ERASED = "erased"


def events() -> list[tuple[Table, Event]]:
    """Tables made from landed records of viewers, and these."""
    made = [(t, t.event) for t in catalog.tables() if t.event]
    return [(t, event) for t, event in made if any(f.privacy == "viewer" for f in event.fields)]


def clean(work: Work, table: Table, suppressed: Suppressed, hours: list[datetime]) -> dict[str, int]:
    """Write files of a table's event, of some landed hours, that name an erased viewer anew; returns records by file.

    Raises LandingError for a file that cannot be read to its end: nobody
    can say who is in it.
    """
    assert table.event
    known = work.ledger.fingerprints(table.name)
    found: dict[str, int] = {}
    for part in landing.listing(work.spark, work.settings, table.event, hours):
        new = [f for f in part.files if landing.known(f)]
        named = _naming(work.spark, table.event, new, suppressed) if new else {}
        for file in new:
            if file.name in named:
                _rewrite(work, table.event, file, suppressed)
        if named:
            _know(work, table, part, known.get(part.hour.isoformat()))
        found |= {f"{table.event.name}/{part.hour:%Y-%m-%dT%H}/{name}": count for name, count in named.items()}
    return found


def _know(work: Work, table: Table, part: Landed, known: str | None) -> None:
    """A run has read the hour as it was: the files it has now are not new ones."""
    assert table.event
    if known == part.fingerprint:
        entry = work.begin(table)
        now = landing.listing(work.spark, work.settings, table.event, [part.hour])[0]
        entry.fingerprints = {part.hour.isoformat(): now.fingerprint}
        record(work, entry, reason="erasure: landed files written anew")
        work.ledger.flush()


def _naming(spark: SparkSession, event: Event, found: list[LandedFile], suppressed: Suppressed) -> dict[str, int]:
    """File name -> records that name an erased viewer, of the files that have any."""
    text = [landing.exactly(f.uri) for f in found if f.name.endswith(landing.TEXT)]
    counts: dict[str, int] = {}
    try:
        if text:
            counts |= _count(spark.read.text(text), _names_one(suppressed))
        for file in found:
            if file.name.endswith(landing.PARQUET):
                counts |= _count_columns(spark.read.parquet(landing.exactly(file.uri)), suppressed)
    except (Py4JJavaError, PySparkException) as error:
        names = ", ".join(f.name for f in found)
        raise LandingError(
            f"A landed file of {event.name} cannot be read, so nobody can say whether it names the viewer: one of "
            f"{names}. Repair or remove it, then erase again."
        ) from error
    return counts


def _count(rows: DataFrame, named: Column) -> dict[str, int]:
    per_file = rows.where(named).groupBy(F.col("_metadata.file_name").alias("name")).count().collect()
    return {row["name"]: row["count"] for row in per_file}


def _count_columns(rows: DataFrame, suppressed: Suppressed) -> dict[str, int]:
    whose = viewer_column(rows.columns)
    return _count(rows, suppressed.has(_as_id(F.col(whose)))) if whose else {}


def _as_id(value: Column) -> Column:
    return value.try_cast("bigint")


def _viewer() -> Column:
    return _as_id(F.regexp_extract("value", VIEWER, 2))


def _names_one(suppressed: Suppressed) -> Column:
    """Of a line: its viewer was erased, or it says no viewer and holds the number of one."""
    return F.when(_viewer().isNotNull(), suppressed.has(_viewer())).otherwise(suppressed.has_any(F.col("value")))


def _edited(lines: DataFrame, event: Event, suppressed: Suppressed) -> DataFrame:
    by = by_column([f.name for f in event.fields])
    stand_in = suppressed.stand_in(_viewer(), F.get_json_object("value", f"$.{by}"))
    with_stand_in = F.regexp_replace("value", F.lit(VIEWER), F.concat(F.lit("$1"), stand_in.cast("string")))
    record_ = F.regexp_replace(with_stand_in, DEVICE, "$1null")
    named = _names_one(suppressed)
    edited = F.when(named & _viewer().isNotNull(), record_).when(named, F.lit(ERASED)).otherwise(F.col("value"))
    return lines.select(edited.alias("value"))


def _changed(rows: DataFrame, event: Event, suppressed: Suppressed) -> DataFrame:
    """Parquet rows with their own types."""
    whose, by = viewer_column(rows.columns), by_column(rows.columns)
    assert whose
    viewer = _as_id(F.col(whose))
    named = suppressed.has(viewer)
    stand_in = suppressed.stand_in(viewer, F.col(by) if by else F.lit(""))
    new = {whose: F.when(named, stand_in.cast(rows.schema[whose].dataType)).otherwise(F.col(whose))}
    others = [f.name for f in event.fields if f.privacy == "viewer" and f.name in rows.columns and f.name not in new]
    return rows.withColumns(new | {name: F.when(~named, F.col(name)) for name in others})


def _rewrite(work: Work, event: Event, file: LandedFile, suppressed: Suppressed) -> None:
    """Write beside, then move over: a reader finds the file as it was or as it is."""
    spark, beside = work.spark, f"{file.uri.rsplit('/', 1)[0]}/_erasing"
    files.delete(spark, beside)
    if file.name.endswith(landing.PARQUET):
        _changed(spark.read.parquet(landing.exactly(file.uri)), event, suppressed).coalesce(1).write.parquet(beside)
    else:
        lines = _edited(spark.read.text(landing.exactly(file.uri)), event, suppressed).coalesce(1)
        lines.write.option("compression", "gzip" if file.name.endswith(".gz") else "none").text(beside)
    if file.name.endswith(".zst"):  # Spark reads this format of text and does not write it
        files.compress(spark, files.list_files(spark, beside)[0].uri, f"{beside}/_{file.name}")
        files.replace(spark, files.list_files(spark, beside)[0].uri, by=f"{beside}/_{file.name}")
    files.replace(spark, file.uri, by=files.list_files(spark, beside)[0].uri)
    files.delete(spark, beside)
