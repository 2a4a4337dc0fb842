"""Which catalog of Spark holds the names: one that conf/ configures, or else a local metastore in the lake.

The local metastore is Hive's, in an embedded Derby database. Spark brings both. Derby lets one process at a time open
the database, so `register` opens it for a short time, in a session that does nothing else.
"""

from __future__ import annotations

from pathlib import Path

from etl.conf import Settings
from etl.engine.spark.files import local_folder, local_or_none
from etl.engine.spark.jars import session_jars
from etl.errors import ConfigError

FOLDER = "_catalog"
PROPERTIES = "spark-defaults.conf"
IMPLEMENTATION = "spark.sql.catalogImplementation"
HIVE_SERVICE = ("spark.hadoop.hive.metastore.uris", "spark.hive.metastore.uris", "hive.metastore.uris")
SESSION_CATALOG = "spark_catalog"


def is_local(settings: Settings) -> bool:
    """Whether the names are in a local metastore, because conf/ configures no other catalog."""
    configured = settings.spark
    if settings.catalog.name != SESSION_CATALOG:
        return False
    return IMPLEMENTATION not in configured and not any(key in configured for key in HIVE_SERVICE)


def folder(settings: Settings) -> Path:
    """The folder of the local metastore. Raises ConfigError when conf/ names none and the lake is not local."""
    if settings.catalog.metastore:
        return local_folder(settings.catalog.metastore)
    lake = local_or_none(settings.lake)
    if lake is None:
        raise ConfigError(
            f"The lake {settings.lake} is not a local folder, so it has no local metastore. Set `catalog.metastore` "
            "in conf/ to a local folder, or configure a metastore under `spark` (docs/catalog.md)."
        )
    return lake / FOLDER


def options(settings: Settings) -> dict[str, str]:
    """The Spark options of a session that reads and writes the names.

    Raises ConfigError when conf/ names a catalog that it does not configure.
    """
    name = settings.catalog.name
    if name != SESSION_CATALOG and f"spark.sql.catalog.{name}" not in settings.spark:
        raise ConfigError(
            f"conf/ names the catalog {name!r} but does not configure it. Set `spark.sql.catalog.{name}` under "
            f"`spark`, or `catalog.name` to {SESSION_CATALOG} (docs/catalog.md)."
        )
    if not is_local(settings):
        return {IMPLEMENTATION: "hive"} if name == SESSION_CATALOG else {}
    return local_options(folder(settings), create=True)


def local_options(metastore: Path, create: bool = False) -> dict[str, str]:
    """The Spark options of the local metastore in a folder. create: make it when there is none."""
    url = f"jdbc:derby:;databaseName={metastore / 'metastore_db'}"
    return {
        IMPLEMENTATION: "hive",
        "spark.hadoop.javax.jdo.option.ConnectionURL": url + (";create=true" if create else ""),
        "spark.sql.warehouse.dir": (metastore / "warehouse").as_uri(),
    }


def reader_options(metastore: Path) -> dict[str, str]:
    """Everything that a plain Spark session needs to read the tables by name: Delta, UTC and the metastore."""
    return {
        "spark.jars": ",".join(map(str, session_jars())),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.extraJavaOptions": f"-Dderby.stream.error.file={metastore / 'derby.log'}",
        **local_options(metastore),
    }


def write_reader_options(metastore: Path) -> Path:
    """Write these options as a properties file for `pyspark --properties-file` and `spark-submit`."""
    file = metastore / PROPERTIES
    lines = [f"{key} {value}" for key, value in reader_options(metastore).items()]
    file.write_text("# Written by `feed-etl register`.\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return file
