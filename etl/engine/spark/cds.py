"""Class data sharing: Spark's classes as a JVM lays them out in memory, kept in a file by set-up, mapped by sessions.

Starting a session and planning a first query is mostly loading some 15,000 classes. The JVM itself leaves a file alone
that another Java or other JARs made, so a stale one costs time and nothing else.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pyspark

from etl.engine.spark.java import SHARE, require_java

ARCHIVE = SHARE / "spark-classes.jsa"
QUIET = "-Xlog:disable -Xlog:all=error:stderr"  # what it says of a file that does not fit would be among answers


def options(archive: Path = ARCHIVE) -> str:
    """What a JVM of Spark is to be started with; empty when there is no file."""
    return f"-XX:SharedArchiveFile={archive} {QUIET}" if archive.is_file() else ""


def is_fresh(archive: Path = ARCHIVE) -> bool:
    """Whether the file is there and newer than the Java and the JARs it was made with."""
    made_with = [require_java() / "bin" / "java", Path(pyspark.__file__).parent / "jars"]
    return archive.is_file() and all(archive.stat().st_mtime >= what.stat().st_mtime for what in made_with)


def make(archive: Path = ARCHIVE) -> None:
    """Start a session, do a little of everything, and keep the classes it needed."""
    from etl import conf
    from etl.engine.spark import session

    archive.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as name:
        made = Path(name) / archive.name
        say = {"spark.driver.extraJavaOptions": f"-XX:ArchiveClassesAtExit={made} {QUIET}"}
        mine = conf.load(master="local[2]").model_copy(update={"spark": say})  # whatever options the settings have
        spark = session.start(mine, "classes")
        rows = spark.range(1000).selectExpr("id", "id % 7 AS key", "current_timestamp() AS at")
        for _ in range(2):
            rows.write.format("delta").mode("append").partitionBy("key").save(f"{name}/table")
        table = spark.read.format("delta").load(f"{name}/table").where("key < 3")
        table.groupBy("key").agg({"id": "sum", "at": "max"}).join(rows, "key").orderBy("key").collect()
        gateway = spark.sparkContext._gateway
        spark.stop()
        assert gateway
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(120)
        if made.exists():
            shutil.move(made, archive)


if __name__ == "__main__":
    if not is_fresh():
        print("feed-etl: keeping Spark's classes ready, for sessions that start sooner", flush=True)
        make()
        sys.exit(not is_fresh())
