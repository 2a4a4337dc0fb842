"""Class data sharing (CDS): set-up stores Spark's loaded classes in an archive, and sessions start faster with it.

Most of the time to start a session and plan a first query goes into loading some 15,000 classes. The JVM ignores an
archive made with another Java or other JARs, so a stale archive only costs time.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from etl.engine.spark.java import SHARE, require_java

ARCHIVE = SHARE / "spark-classes.jsa"
QUIET = "-Xlog:disable -Xlog:all=error:stderr"  # else a warning about a stale archive goes to stdout, with the results


def options(archive: Path = ARCHIVE) -> str:
    """JVM options that use the archive; empty when there is none."""
    return f"-XX:SharedArchiveFile={archive} {QUIET}" if archive.is_file() else ""


def is_fresh(archive: Path = ARCHIVE) -> bool:
    """Whether the archive exists and is newer than Java and Spark's JARs."""
    sources = [require_java() / "bin" / "java", Path(pyspark.__file__).parent / "jars"]
    return archive.is_file() and all(archive.stat().st_mtime >= source.stat().st_mtime for source in sources)


def create(archive: Path = ARCHIVE) -> None:
    """Create the archive from the classes that a session loads for a few typical operations."""
    from etl import conf
    from etl.engine.spark import session

    archive.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as name:
        new = Path(name) / archive.name
        options_ = {"spark.driver.extraJavaOptions": f"-XX:ArchiveClassesAtExit={new} {QUIET}"}
        settings = conf.load(master="local[2]").model_copy(update={"spark": options_})  # ignores Spark options in conf/
        spark = session.start(settings, "cds")
        _run_typical_operations(spark, f"{name}/table")
        _end_jvm(spark)
        if new.exists():
            shutil.move(new, archive)


def _run_typical_operations(spark: SparkSession, folder: str) -> None:
    """Write a Delta table twice, read it, aggregate, join and sort."""
    rows = spark.range(1000).selectExpr("id", "id % 7 AS key", "current_timestamp() AS at")
    for _ in range(2):
        rows.write.format("delta").mode("append").partitionBy("key").save(folder)
    table = spark.read.format("delta").load(folder).where("key < 3")
    table.groupBy("key").agg({"id": "sum", "at": "max"}).join(rows, "key").orderBy("key").collect()


def _end_jvm(spark: SparkSession) -> None:
    """Stop the session and wait until its JVM has ended: the JVM writes the archive when it exits."""
    gateway = spark.sparkContext._gateway
    spark.stop()
    assert gateway
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(120)


if __name__ == "__main__":
    if not is_fresh():
        print("feed-etl: storing Spark's classes in an archive, so that sessions start faster", flush=True)
        create()
        sys.exit(not is_fresh())
