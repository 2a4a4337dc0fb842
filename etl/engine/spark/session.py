"""One Spark session, set up for Delta, in UTC, quiet."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pyspark
from pyspark import SparkConf, SparkContext
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from etl import catalog, conf, secrets
from etl.conf import Settings
from etl.engine.spark import cds
from etl.engine.spark import scratch
from etl.engine.spark.jars import delta_jars, s3_jars
from etl.engine.spark.java import require_java
from etl.engine.spark.jvm import jvm
from etl.engine.spark.layout import SIDE_BY_SIDE
from etl.errors import ConfigError
from etl.utc import use_utc

COLLECTOR = re.compile(r"-XX:\+Use\w+GC\b")
# Inlined less deeply than the JVM would: a run is over before code as large as that has paid for being compiled.
COMPILER = "-XX:MaxInlineLevel=9 -XX:FreqInlineSize=150 -XX:InlineSmallCode=1200"
ZONE = "spark.sql.session.timeZone"
HASHED_MB = 64  # of a join's smaller side, as shuffled: at most this much a task is hashed, not sorted
MEMORY_MB = 1536  # what a task must have for that, since a hash cannot spill as a sort does
# For a process that answers and ends: the JVM's first compiler only (whose code cache would be 48 MB, and once full
# nothing is compiled any more).
SHORT_LIVED = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
}
# For what takes its time by the number of plans, not of rows: no code made for a plan or an expression, none adapted.
FEW_ROWS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}
# For a process that does small hours only.
SMALL_HOURS = {**SHORT_LIVED, **FEW_ROWS}


def with_options(settings: Settings, options: dict[str, str]) -> Settings:
    """Settings with these options of Spark, but where they say otherwise themselves."""
    return settings.model_copy(update={"spark": {**options, **settings.spark}})


def hash_join_options(settings: Settings) -> dict[str, str]:
    """Joins by hash on this machine, where every task has memory enough; what executors have, conf/ knows better."""
    found = re.fullmatch(r"local(?:\[(\d+|\*)[^]]*\])?", settings.master)
    if not found:
        return {}
    cores = (os.cpu_count() or 1) if found[1] == "*" else int(found[1] or 1)
    megabytes = int(settings.driver_memory[:-1]) * (1024 if settings.driver_memory.endswith("g") else 1)
    if megabytes < MEMORY_MB * cores:
        return {}
    return {"spark.sql.adaptive.maxShuffledHashJoinLocalMapThreshold": f"{HASHED_MB}m"}


def _options(settings: Settings) -> dict[str, str]:
    given = f'"-Djava.io.tmpdir={_folder(settings)}" {settings.spark.get("spark.driver.extraJavaOptions", "")}'.strip()
    return {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        ZONE: settings.timezone,
        "spark.executorEnv.TZ": settings.timezone,
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "1000000",
        "spark.sql.codegen.cache.maxEntries": "2000",  # a run has more plans than Spark's hundred
        "spark.sql.maxConcurrentOutputFileWriters": str(SIDE_BY_SIDE),
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.hadoop.parquet.compression.codec.zstd.level": "1",  # more than Snappy saves, at the same cost
        **{f"spark.hadoop.parquet.enable.dictionary#{name}": "false" for name in _distinct()},
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.databricks.delta.commitInfo.userMetadata": "",
        # Delta's parser drops the values of `spark.sql(text, args=...)`; this binds them in the analyzer instead.
        "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
        "spark.driver.memory": settings.driver_memory,
        "spark.feedetl.lock.minutes": str(settings.lock_minutes),
        # Of Hadoop's file systems; it sets the mode of a local file too, whatever the process's own umask is.
        "spark.hadoop.fs.permissions.umask-mode": settings.umask,
        "spark.executor.killOnFatalError.depth": "0",  # a record too large for memory fails its task, not the process
        # Hadoop's default for S3 goes by what it once knew of a file; Delta writes `_last_checkpoint` anew and anew.
        "spark.hadoop.fs.s3a.input.stream.type": "classic",
        "spark.ui.enabled": "false",
        "spark.python.sql.dataFrameDebugging.enabled": "false",  # else a call of Python is four of the JVM
        "spark.ui.showConsoleProgress": "false",
        **hash_join_options(settings),
        **_temporary(settings),
        **settings.spark,
        "spark.driver.extraJavaOptions": java_options(given, settings.master.startswith("local")),
    }


def _distinct() -> list[str]:
    """Columns of which files keep no dictionary."""
    return [name for name, column in catalog.vocabulary().items() if column.distinct]


def _folder(settings: Settings) -> Path:
    """Where this process keeps temporary files: private, and removed once it is dead."""
    return scratch.this_process(settings.scratch).folder


def _temporary(settings: Settings) -> dict[str, str]:
    """Where Spark spills and shuffles on this machine; executors elsewhere have folders of their cluster's."""
    return {"spark.local.dir": str(_folder(settings))} if settings.master.startswith("local") else {}


def java_options(given: str, works: bool = True) -> str:
    """What a driver's JVM is started with: what is given, a log of warnings only, and classes kept ready.

    Where the driver `works` itself its collector is the one of most throughput, unless another is given (a JVM takes
    one only): pauses bother nobody in a batch. Of other options the last counts, and that is what is given.
    """
    log = (conf.home() / "conf" / "spark-log4j2.properties").absolute().as_uri()
    collector = "" if COLLECTOR.search(given) else "-XX:+UseParallelGC"
    here = [collector, COMPILER, cds.options()] if works else []
    return " ".join(filter(None, ["-Duser.timezone=UTC", "-Dlog4j2.configurationFile=" + log, *here, given]))


def _jars(settings: Settings) -> list[Path]:
    """A cluster has what its own storage needs; a driver on this machine gets it from here."""
    on_s3 = settings.master.startswith("local") and any(u.startswith("s3a:") for u in (settings.lake, settings.landing))
    return delta_jars() + (s3_jars() if on_s3 else [])


def _class_path(settings: Settings) -> str:
    return ",".join(str(jar) for jar in _jars(settings))


def _start_jvm(master: str, name: str, options: dict[str, str]) -> None:
    """Start the driver's JVM, unless it is there, with options that everybody may see in the list of processes.

    Spark's own way gives the JVM every option as an argument. What it is given later is in no list.
    """
    if SparkContext._gateway is None:
        seen = SparkConf(loadDefaults=False).setMaster(master).setAppName(name).setAll(list(options.items()))
        SparkContext._ensure_initialized(conf=seen)


def _local_options(master: str) -> dict[str, str]:
    """A driver on this machine talks to itself only."""
    if not master.startswith("local"):
        return {}
    return {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def start(settings: Settings, name: str = "feed-etl") -> SparkSession:
    """Start (or reuse) the session; the process's zone becomes UTC. Raises ConfigError: there is no usable Java."""
    use_utc()
    os.environ["JAVA_HOME"] = str(require_java())
    if settings.master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_HOME", str(Path(pyspark.__file__).parent))
    builder = SparkSession.builder.appName(name).master(settings.master)
    options = {**_local_options(settings.master), **_options(settings), "spark.jars": _class_path(settings)}
    conf.set_umask(settings)
    _start_jvm(settings.master, name, {k: v for k, v in options.items() if not secrets.is_secret(k, v)})
    for key, value in options.items():
        builder = builder.config(key, value)
    scratch.remove_dead_folders(settings.scratch)
    spark = builder.getOrCreate()
    scratch.this_process(settings.scratch).note_jvm(int(jvm(spark, "java.lang.ProcessHandle").current().pid()))
    spark.sparkContext.setLogLevel("ERROR")
    for log in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):  # each error as a page of JSON, caught or not
        PySparkLogger.getLogger(log).disabled = True
    return spark


def require_utc(spark: SparkSession) -> None:
    """For a session that others started. Raises ConfigError when hours and days would be cut in another zone."""
    zone = spark.conf.get(ZONE)
    if zone not in ("UTC", "Etc/UTC", "Z", "+00:00"):
        raise ConfigError(f"The Spark session's time zone is {zone!r}. Set {ZONE} to UTC, or use session.start().")
    use_utc()


if __name__ == "__main__":  # for who starts the JVM before Python: spark-submit
    print(java_options(" ".join(sys.argv[1:])))
