"""Opens the catalog in a session of its own, registers the tables and ends the session."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.people import keys
from etl.engine.spark import locks, session
from etl.engine.spark.jvm import jvm
from etl.errors import LakeError, first_line
from etl.operations.registration import metastore, tables
from etl.operations.registration.tables import Registered

log = logging.getLogger("feed_etl")
IN_USE = "XSDB6"  # Derby's error code for a database that another process has opened


def register(settings: Settings) -> Registered:
    """Register the tables of the lake in the catalog that conf/ names. Ends the Spark session of this process.

    Raises LakeError when the catalog cannot be opened, and ConfigError when conf/ does not fit.
    """
    options = metastore.options(settings)
    if active := SparkSession.getActiveSession():
        active.stop()  # the catalog of a Spark context is chosen when the context starts
    keys.use_demo_key(settings.lake)
    with _local_metastore(settings):
        spark = session.start(session.with_options(settings, {**session.SHORT_LIVED, **options}))
        try:
            return _registered(spark, settings)
        finally:
            spark.stop()


def register_after_run(settings: Settings) -> None:
    """Register the tables at the end of a run. A failure is a warning: the run itself has succeeded."""
    try:
        register(settings)
    except Exception as error:  # whatever a metastore raises must not fail the run
        log.warning("The tables are not registered: %s", first_line(error))


@contextmanager
def _local_metastore(settings: Settings) -> Iterator[None]:
    """Hold the lock of a local metastore while it is open, and leave the options for its readers next to it."""
    if not metastore.is_local(settings):
        yield
        return
    folder = metastore.folder(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        metastore.write_reader_options(folder)
    except OSError as error:
        raise LakeError(f"{folder} cannot be written: {error.strerror}. Make the folder writable.") from error
    with locks.held(folder / ".lock", settings.lock_minutes):
        yield


def _registered(spark: SparkSession, settings: Settings) -> Registered:
    if metastore.is_local(settings):
        log_file = metastore.folder(settings) / "derby.log"
        jvm(spark, "java.lang.System").setProperty("derby.stream.error.file", str(log_file))
    delta.forget_snapshots(spark)  # those of an earlier session of this process belong to that session
    try:
        return tables.register(spark, settings)
    except (Py4JError, Py4JJavaError, PySparkException) as error:
        if IN_USE in str(error):
            raise LakeError(
                f"The local metastore in {metastore.folder(settings)} is open in another process. End that Spark "
                "session, then run `feed-etl register` again; for several users configure a Hive metastore "
                "(docs/catalog.md)."
            ) from error
        raise LakeError(f"The catalog {settings.catalog.name} cannot be used: {first_line(error)}") from error
