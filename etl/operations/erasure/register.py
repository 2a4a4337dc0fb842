"""Keeps keyed digests of erased people, sweeps and receipts: three Delta tables in `<lake>/_erasure`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.people import keyed, keys, suppression
from etl.engine.people.suppression import ERASED, SALTED, SuppressionList
from etl.engine.spark import files
from etl.errors import ConflictError
from etl.model.privacy import VIEWER, Role

SWEEPS = "place STRING, table_id STRING, version BIGINT, fingerprints MAP<STRING, STRING>, at TIMESTAMP"
RECEIPTS = "id STRING, at TIMESTAMP, reason STRING, complete BOOLEAN, document STRING"


def suppress(spark: SparkSession, lake: str, people: Iterable[int], role: Role = VIEWER) -> SuppressionList:
    """Add people to the suppression list. Returns the list for people in the role.

    The list is created with a key when it does not exist. The key is the pseudonym key; without one it is in a file of
    this user, which is created when it does not exist.
    """
    secret = _prepare(spark, lake)
    _add(spark, lake, {keyed.number(secret, role.namespace(ERASED), person) for person in people})
    convert(spark, lake)
    found = suppression.load(spark, lake)
    assert found
    return found.for_role(role)


def _prepare(spark: SparkSession, lake: str) -> bytes:
    """Create the suppression list when it does not exist. Returns its key."""
    uri = suppression.list_uri(lake)
    if not delta.is_table(spark, uri):
        made = keys.pseudonym_key() or keys.create(keys.key_file(lake, "erasure"))
        properties = f"TBLPROPERTIES ('{suppression.KEY}' = '{keys.fingerprint(made)}')"
        delta.create(spark, uri, f"({suppression.SCHEMA}) USING DELTA {properties}")
    return suppression.secret(spark, lake)


def _add(spark: SparkSession, lake: str, digests: set[int]) -> None:
    """Add the digests that the list lacks. When another erasure commits first, try again."""
    now = datetime.now(UTC)
    while True:
        txn = Transaction(spark, suppression.list_uri(lake))
        wanted = spark.createDataFrame([(digest, now) for digest in sorted(digests)], suppression.SCHEMA)
        new = wanted.join(txn.read("true"), "digest", "left_anti").select("digest", "erased_at")
        txn.stage(new.coalesce(1))
        try:
            if not txn.is_empty:
                txn.commit("erasure")
            return
        except ConflictError:
            continue


def convert(spark: SparkSession, lake: str) -> bool:
    """Convert the salted list of an earlier release to keyed digests and remove it. Returns whether there was one.

    After a kill, both lists hold the same people. The salt is kept: see `suppression`.
    """
    former = suppression.former_list_uri(lake)
    if not suppression.exists_on_disk(spark, former):
        return False
    secret = _prepare(spark, lake)
    rows = delta.read(spark, former).collect()
    if rows:
        with delta.commit_lock(suppression.list_uri(lake)):
            spark.sql(
                f"ALTER TABLE delta.`{suppression.list_uri(lake)}` "
                f"SET TBLPROPERTIES ('{suppression.SALT}' = '{rows[0]['salt']}')"
            )
        _add(spark, lake, {keyed.number(secret, SALTED, row["digest"]) for row in rows})
    files.delete(spark, former)
    return True


def people_digest(secret: bytes, role: Role, people: Iterable[int]) -> str:
    """Return a keyed digest that identifies a set of erased people in the ledger and receipts.

    Without the key nobody can find the people from it.
    """
    numbers = " ".join(str(person) for person in sorted(people))
    return f"{-keyed.number(secret, role.namespace('erasure'), numbers):016x}"


@dataclass(frozen=True)
class Sweep:
    """How far a table or event has been searched for erased people.

    Of a table: up to `version`. Of an event: the landed hours with these `fingerprints`. `place` is its name.
    """

    place: str
    table_id: str | None = None
    version: int = -1
    fingerprints: dict[str, str] = field(default_factory=dict)


def sweeps(spark: SparkSession, lake: str) -> dict[str, Sweep]:
    """Return the last sweep of each table and event."""
    uri = f"{lake}/_erasure/sweeps"
    if not delta.is_table(spark, uri):
        return {}
    rows = delta.read(spark, uri).orderBy("at").collect()
    return {r["place"]: Sweep(r["place"], r["table_id"], r["version"], r["fingerprints"]) for r in rows}


def record_sweep(spark: SparkSession, lake: str, sweep: Sweep) -> None:
    """Record a sweep. When two processes record one at the same time, both rows stay and the last one counts."""
    uri = f"{lake}/_erasure/sweeps"
    delta.create(spark, uri, f"({SWEEPS}) USING DELTA")
    row = (sweep.place, sweep.table_id, sweep.version, sweep.fingerprints, datetime.now(UTC))
    new = spark.createDataFrame([row], SWEEPS).coalesce(1).write.format("delta").mode("overwrite")
    with delta.commit_metadata(spark, uri, "erasure"):
        new.option("replaceWhere", f"place = '{sweep.place}'").save(uri)


def write(spark: SparkSession, lake: str, receipt: dict[str, Any]) -> None:
    """Store a receipt."""
    uri = f"{lake}/_erasure/receipts"
    delta.create(spark, uri, f"({RECEIPTS}) USING DELTA")
    row = (receipt["id"], datetime.now(UTC), receipt["reason"], receipt["complete"], json.dumps(receipt))
    with delta.commit_metadata(spark, uri, "erasure"):
        spark.createDataFrame([row], RECEIPTS).coalesce(1).write.format("delta").mode("append").save(uri)


def receipts(spark: SparkSession, lake: str) -> list[dict[str, Any]]:
    """Return all receipts, oldest first."""
    uri = f"{lake}/_erasure/receipts"
    if not delta.is_table(spark, uri):
        return []
    return documents(row.asDict() for row in delta.read(spark, uri).collect())


def documents(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the receipts in rows of their table, oldest first."""
    return [json.loads(row["document"]) for row in sorted(rows, key=lambda row: row["at"])]


def open_receipts(spark: SparkSession, lake: str) -> list[dict[str, Any]]:
    """Return the receipts of incomplete erasures that no later erasure of the same people completes."""
    all_receipts = receipts(spark, lake)
    completed = {r["mark"] for r in all_receipts if r["complete"] and "mark" in r}
    incomplete = {r.get("mark", r["id"]): r for r in all_receipts if not r["complete"]}
    return [r for digest, r in incomplete.items() if digest not in completed]
