"""A keyed hash of ids: 62 bits of HMAC-SHA-256 of (namespace, id) as a negative BIGINT, equal in Python and Spark SQL.

Without the key, nobody can find the id of such a number by trying ids, even when there are few ids. In SQL the HMAC
consists of two calls of `sha2`. The key reaches Spark as a row of a table and never as a literal, because plans, event
logs and errors show literals.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

BLOCK = 64  # block size of SHA-256 in bytes; HMAC pads a key to it
MAX_BITS = 62


def number(secret: bytes, namespace: str, value: int | str) -> int:
    """The keyed hash of one id. Pseudonyms use the empty namespace."""
    digest = hmac.digest(secret, f"{_prefix(namespace)}{value}".encode(), "sha256")
    return -1 - (int.from_bytes(digest[:8], "big") >> 64 - MAX_BITS)


def _prefix(namespace: str) -> str:
    return f"{namespace}:" if namespace else ""


@dataclass(frozen=True)
class KeyedHash:
    """The keyed hash with one key, for columns. `inner` and `outer` are the padded keys of HMAC."""

    inner: Column
    outer: Column

    def number(self, namespace: str, *values: Column) -> Column:
        """The keyed hash (BIGINT) of the values as text, joined with `:`. NULL when a value is NULL."""
        text = F.concat(F.lit(_prefix(namespace)), *_joined(values)).cast("binary")
        inner_digest = F.unhex(F.sha2(F.concat(self.inner, text), 256))
        digest = F.sha2(F.concat(self.outer, inner_digest), 256)
        first_64_bits = F.conv(F.substring(digest, 1, 16), 16, -10).cast("bigint")
        return F.lit(-1) - F.shiftrightunsigned(first_64_bits, 64 - MAX_BITS)


def _joined(values: tuple[Column, ...]) -> list[Column]:
    texts = [value.cast("string") for value in values]
    return [texts[0], *[part for text in texts[1:] for part in (F.lit(":"), text)]]


def columns(spark: SparkSession, secret: bytes) -> KeyedHash:
    """The keyed hash for columns of a session's data frames."""
    padded = (hashlib.sha256(secret).digest() if len(secret) > BLOCK else secret).ljust(BLOCK, b"\0")
    pads = {name: [bytes(byte ^ pad for byte in padded)] for name, pad in (("inner", 0x36), ("outer", 0x5C))}
    row = spark.createDataFrame(pa.table(pads))  # plans do not show the rows of a local relation
    return KeyedHash(row.select("inner").scalar(), row.select("outer").scalar())
