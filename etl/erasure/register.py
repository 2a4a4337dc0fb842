"""Who was erased, as salted hashes, and the receipts. Both are Delta tables below `<lake>/_erasure`."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from etl.engine import delta, suppression
from etl.engine.suppression import Suppressed
from etl.engine.transaction import Transaction
from etl.errors import ConflictError

RECEIPTS = "id STRING, at TIMESTAMP, reason STRING, complete BOOLEAN, document STRING"


def suppress(spark: SparkSession, lake: str, viewer: int) -> Suppressed:
    """Put a viewer on the list; returns the list. Of two at once one comes first, so that there is one salt."""
    uri = suppression.place(lake)
    delta.create(spark, uri, f"({suppression.SCHEMA}) USING DELTA")
    txn = Transaction(spark, uri)
    rows = txn.read("true").collect()
    salt = rows[0]["salt"] if rows else secrets.token_hex(32)
    digest = _digest(salt, viewer)
    if digest not in {row["digest"] for row in rows}:
        number = spark.range(1).select(suppression.bucket(F.lit(viewer).cast("bigint"))).collect()[0][0]
        row = (salt, number, digest, datetime.now(UTC))
        txn.stage(spark.createDataFrame([row], suppression.SCHEMA).coalesce(1))
        try:
            txn.commit("erasure")
        except ConflictError:  # another erasure was first
            return suppress(spark, lake, viewer)
    found = suppression.load(spark, lake)
    assert found
    return found


def mark(suppressed: Suppressed, viewer: int) -> str:
    """What the ledger knows an erased viewer by: the beginning of the digest that is on the list."""
    return _digest(suppressed.salt, viewer)[:16]


def _digest(salt: str, viewer: int) -> str:
    """As `Suppressed.digest`."""
    return hashlib.sha256(f"{salt}:{viewer}".encode()).hexdigest()


def write(spark: SparkSession, lake: str, receipt: dict[str, Any]) -> None:
    """Keep a receipt."""
    uri = f"{lake}/_erasure/receipts"
    delta.create(spark, uri, f"({RECEIPTS}) USING DELTA")
    row = (receipt["id"], datetime.now(UTC), receipt["reason"], receipt["complete"], json.dumps(receipt))
    with delta.signed(spark, uri, "erasure"):
        spark.createDataFrame([row], RECEIPTS).coalesce(1).write.format("delta").mode("append").save(uri)


def receipts(spark: SparkSession, lake: str) -> list[dict[str, Any]]:
    """Every receipt, oldest first."""
    uri = f"{lake}/_erasure/receipts"
    if not delta.is_table(spark, uri):
        return []
    return [json.loads(row["document"]) for row in delta.read(spark, uri).orderBy("at").collect()]
