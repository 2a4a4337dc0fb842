"""HMAC-SHA-256 of (namespace, id) as a negative BIGINT of 62 bits: the same number in Python and in Spark SQL.

Without the key an id cannot be tested against such a number, however few ids there are. In SQL it is made of two calls
of `sha2`. The key reaches Spark as a row of a table, never as a literal: plans, event logs and errors show literals.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

BLOCK = 64  # bytes SHA-256 works on, to which HMAC pads a key
MAX_BITS = 62


def number(secret: bytes, namespace: str, value: int | str) -> int:
    """The number of one id; an empty namespace is that of pseudonyms."""
    digest = hmac.digest(secret, f"{_prefix(namespace)}{value}".encode(), "sha256")
    return -1 - (int.from_bytes(digest[:8], "big") >> 64 - MAX_BITS)


def _prefix(namespace: str) -> str:
    return f"{namespace}:" if namespace else ""


@dataclass(frozen=True)
class Keyed:
    """The hash under one key, for columns."""

    inner: Column
    outer: Column

    def number(self, namespace: str, *values: Column) -> Column:
        """As `number`, of the values as text with `:` between them; NULL where one is."""
        text = F.concat(F.lit(_prefix(namespace)), *_joined(values)).cast("binary")
        first = F.unhex(F.sha2(F.concat(self.inner, text), 256))
        digest = F.sha2(F.concat(self.outer, first), 256)
        whole = F.conv(F.substring(digest, 1, 16), 16, -10).cast("bigint")
        return F.lit(-1) - F.shiftrightunsigned(whole, 64 - MAX_BITS)


def _joined(values: tuple[Column, ...]) -> list[Column]:
    texts = [value.cast("string") for value in values]
    return [texts[0], *[part for text in texts[1:] for part in (F.lit(":"), text)]]


def columns(spark: SparkSession, secret: bytes) -> Keyed:
    """The hash for columns of a session."""
    padded = (hashlib.sha256(secret).digest() if len(secret) > BLOCK else secret).ljust(BLOCK, b"\0")
    pads = {name: [bytes(byte ^ pad for byte in padded)] for name, pad in (("inner", 0x36), ("outer", 0x5C))}
    row = spark.createDataFrame(pa.table(pads))  # a local relation, whose rows no plan shows
    return Keyed(row.select("inner").scalar(), row.select("outer").scalar())


def of(secret: bytes, namespace: str) -> Callable[[int | str], int]:
    """`number` under one key in one namespace."""
    return lambda value: number(secret, namespace, value)
