"""Registers each table of the lake under its name, and removes names whose table is gone.

A name is only a pointer to the table's folder: rows that runs publish later need no new registration. Columns and
comments are read from the table itself. The tags are properties of the table, so that every reader of Delta sees them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import ddl
from etl.engine.sql import views
from etl.errors import ConfigError
from etl.model.contract import Table

GONE = "gone"
GONE_CONDITION = re.compile("DELTA_(?!.*(PROTOCOL|FEATURE|UNSUPPORTED))")
"""Errors about a name whose table is not there; a table that this release cannot read is there."""


@dataclass
class Registered:
    """What `register` did, by full name. tagged: tables that got their tags."""

    created: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    tagged: list[str] = field(default_factory=list)


def schema(settings: Settings, table: Table) -> str:
    """Catalog and schema of a table: `spark_catalog.feed`."""
    return f"{settings.catalog.name}.{settings.catalog.schema_of(catalog.folder(table))}"


def full_name(settings: Settings, table: Table) -> str:
    """The name of a table in the catalog: `spark_catalog.feed.fct_impressions`."""
    return f"{schema(settings, table)}.{table.name}"


def register(spark: SparkSession, settings: Settings) -> Registered:
    """Make the names in the catalog equal to the tables of the lake. To repeat it changes nothing.

    Raises ConfigError when a name is taken by a table that is not a folder of a lake.
    """
    found = Registered()
    _create_schemas(spark, settings)
    for table in catalog.tables():
        name, uri = full_name(settings, table), views.uri(settings, table)
        if delta.is_table(spark, uri):
            _point(spark, name, uri, found)
            _tag(spark, table, uri, name, found)
        elif _location(spark, name) is not None:
            _drop(spark, name)
            found.removed.append(name)
    return found


def _create_schemas(spark: SparkSession, settings: Settings) -> None:
    for one in dict.fromkeys(schema(settings, table) for table in catalog.tables()):
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS {one} COMMENT 'Tables of feed-etl'")


def _point(spark: SparkSession, name: str, uri: str, found: Registered) -> None:
    """Let a name point to a table: a new name, or one that pointed to another lake."""
    before = _location(spark, name)
    if before == uri:
        found.unchanged.append(name)
        return
    if before is not None:
        _drop(spark, name)
    spark.sql(f"CREATE TABLE {name} USING delta LOCATION '{uri}'")
    (found.created if before is None else found.moved).append(name)


def _location(spark: SparkSession, name: str) -> str | None:
    """The URI that a name points to; None when there is no such name, GONE when its table does not exist any more.

    Raises ConfigError for a name that is not of an external Delta table: to drop it would delete its rows.
    """
    try:
        if not spark.catalog.tableExists(name):
            return None
        rows = spark.sql(f"DESCRIBE TABLE EXTENDED {name}").collect()
    except AnalysisException as error:
        if not GONE_CONDITION.match(error.getCondition() or ""):
            raise
        return GONE
    described = {row["col_name"]: row["data_type"] for row in rows}
    if described.get("Provider") != "delta" or described.get("Type") != "EXTERNAL":
        raise ConfigError(
            f"{name} is another table already, not a name of a lake's table. Choose other names with `catalog.schemas` "
            "in conf/, or drop that table."
        )
    return _with_scheme(described["Location"])


def _with_scheme(uri: str) -> str:
    """A local URI with three slashes, as `views.uri` writes it."""
    return f"file:///{uri.removeprefix('file:').lstrip('/')}" if uri.startswith("file:") else uri


def _drop(spark: SparkSession, name: str) -> None:
    """Remove a name. The table is external, so its files stay."""
    spark.sql(f"DROP TABLE {name}")


def _tag(spark: SparkSession, table: Table, uri: str, name: str, found: Registered) -> None:
    """Give a table of an older release its tags, in one commit."""
    wanted = ddl.tags(table)
    if wanted.items() <= delta.properties(spark, uri).items():
        return
    listed = ", ".join(f"'{key}' = '{value}'" for key, value in wanted.items())
    with delta.commit_metadata(spark, uri, ""):
        spark.sql(f"ALTER TABLE delta.`{uri}` SET TBLPROPERTIES ({listed})")
    found.tagged.append(name)
