"""Starts the Spark session: configured for Delta, in UTC, with little log output."""

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
from etl.engine.spark import cds, compatibility, logs, lookups, scratch
from etl.engine.spark.jars import s3_jars, session_jars
from etl.engine.spark.java import require_java
from etl.engine.spark.jvm import jvm
from etl.engine.spark.layout import MAX_OPEN_HOURS
from etl.errors import ConfigError
from etl.utc import use_utc

GARBAGE_COLLECTOR = re.compile(r"-XX:\+Use\w+GC\b")
# Less inlining than the JVM's default: a run ends before the compilation of such large code has paid off.
COMPILER = "-XX:MaxInlineLevel=9 -XX:FreqInlineSize=150 -XX:InlineSmallCode=1200"
ZONE = "spark.sql.session.timeZone"
MAX_HASHED_MB = 64  # a join hashes its smaller side when a task has at most this much of it after the shuffle
MIN_MEMORY_MB = 1536  # memory per task that this requires: unlike a sort, a hash table cannot spill to disk
# For a process that answers one query and ends: only the JVM's first compiler. Its code cache is 48 MB by default; when
# the cache is full, the JVM stops compiling.
SHORT_LIVED = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
}
# For many plans over few rows: no code generation and no adaptive execution, whose cost grows with the number of plans.
FEW_ROWS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}
# For a process that runs only small hours.
SMALL_HOURS = {**SHORT_LIVED, **FEW_ROWS}


def with_options(settings: Settings, options: dict[str, str]) -> Settings:
    """Settings with these Spark options added. Options that the settings have already take precedence."""
    return settings.model_copy(update={"spark": {**options, **settings.spark}})


def hash_join_options(settings: Settings) -> dict[str, str]:
    """The option that lets Spark join by hash instead of by sort, in local mode with enough memory for every task.

    Empty on a cluster: the memory of executors is set in conf/, and so is this option.
    """
    local = re.fullmatch(r"local(?:\[(\d+|\*)[^]]*\])?", settings.master)
    if not local:
        return {}
    cores = (os.cpu_count() or 1) if local[1] == "*" else int(local[1] or 1)
    megabytes = int(settings.driver_memory[:-1]) * (1024 if settings.driver_memory.endswith("g") else 1)
    if megabytes < MIN_MEMORY_MB * cores:
        return {}
    return {"spark.sql.adaptive.maxShuffledHashJoinLocalMapThreshold": f"{MAX_HASHED_MB}m"}


def _options(settings: Settings) -> dict[str, str]:
    """Every option of the session. Options under `spark` in conf/ override those of this function."""
    configured_options = settings.spark.get("spark.driver.extraJavaOptions", "")
    user_options = f'"-Djava.io.tmpdir={_folder(settings)}" {configured_options}'.strip()
    return {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        ZONE: settings.timezone,
        "spark.executorEnv.TZ": settings.timezone,
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "1000000",
        "spark.sql.codegen.cache.maxEntries": "2000",  # a run has more plans than the default of 100
        "spark.sql.maxConcurrentOutputFileWriters": str(MAX_OPEN_HOURS),
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.hadoop.parquet.compression.codec.zstd.level": "1",  # smaller files than Snappy at the same CPU cost
        **{f"spark.hadoop.parquet.enable.dictionary#{name}": "false" for name in _columns_without_dictionary()},
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.databricks.delta.commitInfo.userMetadata": "",
        # Delta's parser drops the values of `spark.sql(text, args=...)`; this binds them in the analyzer instead.
        "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
        "spark.driver.memory": settings.driver_memory,
        "spark.feedetl.lock.minutes": str(settings.lock_minutes),
        # Hadoop applies it to local files, too, and ignores the umask of the process.
        "spark.hadoop.fs.permissions.umask-mode": settings.umask,
        "spark.executor.killOnFatalError.depth": "0",  # a record too large for memory fails its task, not the process
        # The default stream for S3 caches a file's metadata, but Delta overwrites `_last_checkpoint` again and again.
        "spark.hadoop.fs.s3a.input.stream.type": "classic",
        "spark.ui.enabled": "false",
        "spark.python.sql.dataFrameDebugging.enabled": "false",  # it makes four JVM calls of each Python call
        "spark.ui.showConsoleProgress": "false",
        **hash_join_options(settings),
        **_temporary(settings),
        **settings.spark,
        "spark.driver.extraJavaOptions": java_options(
            user_options, settings.master.startswith("local"), settings.log_format
        ),
    }


def _columns_without_dictionary() -> list[str]:
    """Columns that Parquet files store without a dictionary, because most of their values are distinct."""
    return [name for name, column in catalog.vocabulary().items() if column.distinct]


def _folder(settings: Settings) -> Path:
    """The private folder for temporary files of this process. It is removed after the process has ended."""
    return scratch.this_process(settings.scratch).folder


def _temporary(settings: Settings) -> dict[str, str]:
    """The option for Spark's folder of spill and shuffle files in local mode. A cluster has its own folders."""
    return {"spark.local.dir": str(_folder(settings))} if settings.master.startswith("local") else {}


def java_options(user_options: str, runs_tasks: bool = True, log_format: str = "text") -> str:
    """The options of the driver's JVM: UTC, the log configuration and then the user's options, which take precedence.

    A driver that runs tasks itself (local mode) also gets the compiler options, the CDS archive and the parallel
    garbage collector: in a batch, throughput matters and pauses do not. The user's options can name another collector;
    the JVM accepts only one.
    """
    log = logs.configuration(log_format).absolute().as_uri()
    collector = "" if GARBAGE_COLLECTOR.search(user_options) else "-XX:+UseParallelGC"
    local = [collector, COMPILER, cds.options()] if runs_tasks else []
    return " ".join(filter(None, ["-Duser.timezone=UTC", "-Dlog4j2.configurationFile=" + log, *local, user_options]))


def _jars(settings: Settings) -> list[Path]:
    """The JARs of every session, and in local mode those for S3 when the lake or the landing zone needs them.

    A cluster has the JARs for its own storage.
    """
    on_s3 = settings.master.startswith("local") and any(u.startswith("s3a:") for u in (settings.lake, settings.landing))
    return session_jars() + (s3_jars() if on_s3 else [])


def _class_path(settings: Settings) -> str:
    return ",".join(str(jar) for jar in _jars(settings))


def _start_jvm(master: str, name: str, options: dict[str, str]) -> None:
    """Start the driver's JVM, unless it runs already, with the options that are not secret.

    By default Spark passes every option to the JVM as an argument, which the list of processes shows. Options that the
    session sets later do not show up there.
    """
    if SparkContext._gateway is None:
        public = SparkConf(loadDefaults=False).setMaster(master).setAppName(name).setAll(list(options.items()))
        SparkContext._ensure_initialized(conf=public)


def _local_options(master: str) -> dict[str, str]:
    """Options that let a driver in local mode listen on the loopback interface only."""
    if not master.startswith("local"):
        return {}
    return {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def start(settings: Settings, name: str = "feed-etl") -> SparkSession:
    """Start or reuse the session, and set the time zone of this process to UTC.

    Raises ConfigError when there is no usable Java or the JARs cannot be downloaded.
    """
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
    lookups.remember(spark)
    compatibility.check(spark)
    scratch.this_process(settings.scratch).note_jvm(int(jvm(spark, "java.lang.ProcessHandle").current().pid()))
    spark.sparkContext.setLogLevel("ERROR")
    for log in (
        "DataFrameQueryContextLogger",
        "SQLQueryContextLogger",
    ):  # they log every error as JSON, even handled ones
        PySparkLogger.getLogger(log).disabled = True
    return spark


def require_utc(spark: SparkSession) -> None:
    """Raises ConfigError when a session that the caller started is not in UTC: hours and days would be wrong."""
    zone = spark.conf.get(ZONE)
    if zone not in ("UTC", "Etc/UTC", "Z", "+00:00"):
        raise ConfigError(f"The Spark session's time zone is {zone!r}. Set {ZONE} to UTC, or use session.start().")
    use_utc()


if __name__ == "__main__":  # prints the options for spark-submit, which starts the JVM before Python
    print(java_options(" ".join(sys.argv[1:]), log_format=conf.load().log_format))
