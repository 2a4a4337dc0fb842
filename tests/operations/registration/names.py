"""Registers the tables of a lake several times and reads them by name. Prints what it saw as one JSON document.

A program of its own, because Spark chooses its catalog when a session starts, and the session of the tests is running.
Arguments: the lake, and an empty folder.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from etl import conf
from etl.conf import Settings
from etl.engine.spark import session
from etl.engine.spark.java import require_java
from etl.errors import ConfigError
from etl.operations.registration import metastore, opened, tables

NAME = "spark_catalog.feed.fct_shares"


def settings_of(lake: Path, folder: Path) -> Settings:
    """Settings of a lake whose names are in a metastore outside of it."""
    made = conf.load("local", lake=str(lake), landing=str(folder / "landing"), master="local[1]")
    return made.model_copy(update={"catalog": made.catalog.model_copy(update={"metastore": str(folder / "catalog")})})


def registrations(lake: Path, folder: Path) -> dict[str, Any]:
    """What each step of a lake's life does to the names."""
    settings = settings_of(lake, folder)
    found: dict[str, Any] = {}
    found["first"] = asdict(opened.register(settings))
    options = {**session.SHORT_LIVED, **metastore.options(settings)}
    spark = session.start(session.with_options(settings, options))
    found["again"] = asdict(tables.register(spark, settings))
    moved = settings_of(folder / "moved", folder)
    shutil.copytree(lake, moved.lake)
    found["moved"] = asdict(tables.register(spark, moved))
    shutil.rmtree(Path(moved.lake) / "facts" / "fct_shares")
    spark.catalog.clearCache()
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]
    found["removed"] = asdict(tables.register(spark, moved))
    spark.sql(f"CREATE TABLE {NAME} (share_id BIGINT) USING parquet")
    found["taken"] = _refused(spark, settings)
    spark.sql(f"DROP TABLE {NAME}")
    found["back"] = asdict(tables.register(spark, settings))
    spark.stop()
    return found


def _refused(spark: SparkSession, settings: Settings) -> str:
    try:
        tables.register(spark, settings)
    except ConfigError as error:
        return str(error)
    return "registered"


def readings(folder: Path) -> dict[str, Any]:
    """What a plain session sees that has only the options of the properties file."""
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    for line in (folder / "catalog" / metastore.PROPERTIES).read_text().splitlines()[1:]:
        builder = builder.config(*line.split(" ", 1))
    spark = builder.getOrCreate()
    shares = spark.table("feed.fct_shares")
    properties = {row.key: row.value for row in spark.sql("SHOW TBLPROPERTIES feed.fct_shares").collect()}
    spark.sql("USE feed")
    found = {
        "ids": [row.share_id for row in shares.collect()],
        "comments": {field.name: field.metadata.get("comment") for field in shares.schema},
        "properties": properties,
        "tables": sorted(row.tableName for row in spark.sql("SHOW TABLES").collect()),
        "bare": spark.sql("SELECT count(*) AS n FROM fct_shares").first()["n"],  # type: ignore[index]
    }
    spark.stop()
    return found


if __name__ == "__main__":
    require_java()
    done = registrations(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps(done | {"read": readings(Path(sys.argv[2]))}))
