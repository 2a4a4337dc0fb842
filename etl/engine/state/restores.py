"""What a restore leaves for other commands: a marker while it is not finished, and a property of the ledger.

`<lake>/_restore.json` exists from the first to the last change of a restore; no command that writes begins meanwhile.
The property of the ledger has the id of the last restore. A command that was active when a restore began finds another
id than it has read, and ends: what it knows of the lake is not true any more.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import SparkSession

from etl.engine.delta import tables as delta
from etl.engine.spark import documents
from etl.errors import LakeError

PROPERTY = "feed_etl.restored"


def marker(lake: str) -> str:
    """URI of the marker of a restore that is not finished."""
    return f"{lake}/_restore.json"


def refuse_unfinished(spark: SparkSession, lake: str) -> None:
    """Raises LakeError while a restore of the lake is not finished."""
    if documents.read(spark, marker(lake)) is not None:
        raise LakeError(
            f"The lake {lake} is being restored. Wait until `feed-etl restore` has ended; if it was killed, run "
            "`feed-etl restore --yes`, which finishes it."
        )


def last(spark: SparkSession, ledger_uri: str) -> str:
    """The id of the last restore of a lake; empty when there was none."""
    return delta.properties(spark, ledger_uri).get(PROPERTY, "")


def note(spark: SparkSession, ledger_uri: str, restore_id: str) -> None:
    """Note the id of a restore, before it changes anything else: commands that are active end from here on."""
    if last(spark, ledger_uri) != restore_id:
        with delta.commit_metadata(spark, ledger_uri, restore_id):
            spark.sql(f"ALTER TABLE delta.`{ledger_uri}` SET TBLPROPERTIES ('{PROPERTY}' = '{restore_id}')")


def refuse_since(spark: SparkSession, ledger_uri: str, known: str) -> None:
    """Raises LakeError when the lake was restored after the restore `known`."""
    if last(spark, ledger_uri) != known:
        raise LakeError(f"The lake of {ledger_uri} was restored while this command was active. Run it again.")


def history(newest: int, restored: Mapping[int, int]) -> set[int]:
    """The versions of a table that led to its newest one. Versions that a restore took back are not among them.

    restored: version that a restore published -> version to which it restored the table.
    """
    versions, version = set(), newest
    while version >= 0:
        versions.add(version)
        version = restored.get(version, version - 1)
    return versions
