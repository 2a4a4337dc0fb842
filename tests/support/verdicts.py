"""What landing says about the records of files in a landing zone."""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from etl.conf import Settings
from etl.engine.landing import faults
from etl.engine.landing import reader as landing
from etl.model.contract import Event
from support.rows import at


def verdicts(spark: SparkSession, settings: Settings, event: Event, only: str = "") -> dict[str, list[set[str]]]:
    """File name -> the reasons of each record, for one landed hour; `only` selects files by a part of their name."""
    (part,) = landing.listing(spark, settings, event, [at("10:00")])
    chosen = landing.Landed(part.hour, tuple(f for f in part.files if only in f.name))
    read = landing.read(spark, settings, event, [chosen])
    reasons = F.when(faults.is_bad(event, settings), faults.reasons(event, settings)).alias("reasons")
    file = F.url_decode(F.regexp_extract("source_file", r"([^/]*)\.\w+$", 1)).alias("file")
    found: dict[str, list[set[str]]] = {}
    for row in read.select(file, reasons).collect():
        found.setdefault(row.file, []).append(set(row.reasons or ()))
    return found
