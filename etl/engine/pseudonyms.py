"""Keyed pseudonyms: with a key in the environment, tables told per viewer never hold the viewer's id.

A pseudonym is -1 - n, where n are the first 62 bits of HMAC-SHA-256 of the id in decimal digits: it is negative, and
above every stand-in (`etl/privacy.py`). Whoever has the key can make it with any tool, nobody else can.
Which key a table was made with stands in its properties as a fingerprint; another one, or none, is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.contract import Table
from etl.engine import delta
from etl.errors import ConfigError

SECRET = "FEED_ETL_PSEUDONYM_KEY"
LEAST_LENGTH = 32  # characters; a shorter key could be guessed from its fingerprint
PROPERTY = "feed_etl.viewers"
IDS = "ids"


def key() -> bytes | None:
    """The key of this place, None when there is none. Raises ConfigError, without the key, when it is too short."""
    text = os.environ.get(SECRET, "").strip()
    if text and len(text) < LEAST_LENGTH:
        raise ConfigError(f"{SECRET} must have {LEAST_LENGTH} characters or more, e.g. of `openssl rand -hex 32`.")
    return text.encode() or None


def maker(secret: bytes) -> Callable[[int], int]:
    """What makes the BIGINT in place of an id. It is sent to Spark's workers, which need not have this suite."""

    def viewer_pseudonym(viewer: int) -> int:
        mixed = hmac.digest(secret, str(viewer).encode(), "sha256")
        return -1 - (int.from_bytes(mixed[:8], "big") >> 2)

    return viewer_pseudonym


def names(viewer: int) -> list[int]:
    """Every number a viewer may be known by in this place: the id, and with a key the pseudonym."""
    secret = key()
    return [viewer] if secret is None else [viewer, maker(secret)(viewer)]


def held() -> str:
    """What tables per viewer that are made here hold, as their properties say it: ids, or pseudonyms of which key."""
    secret = key()
    if secret is None:
        return IDS
    return f"pseudonyms {hashlib.sha256(b'feed-etl ' + secret).hexdigest()[:16]}"


def check(spark: SparkSession, table: Table, uri: str) -> None:
    """Raises ConfigError when a table per viewer is there and was made with another key than this place has."""
    if not table.per_viewer or not delta.is_table(spark, uri):
        return
    there = delta.properties(spark, uri).get(PROPERTY, IDS)
    if there != held():
        why = f"holds ids of viewers, but {SECRET} is set" if there == IDS else f"holds pseudonyms of another {SECRET}"
        raise ConfigError(f"{table.name} {why}: set it as it was, or see docs/retention.md on how to change it.")


def instead_of_ids(table: Table, logic: Callable[..., DataFrame]) -> Callable[..., DataFrame]:
    """The logic of a table; of one per viewer and with a key, its ids of viewers are made pseudonyms last of all."""
    secret = key()
    if secret is None or not table.per_viewer:
        return logic
    ids = [c.name for c in table.columns if c.privacy == "viewer"]

    # of Python, not of SQL: a plan shows the literals of SQL
    pseudonym = F.udf(maker(secret), "bigint", useArrow=False)

    def made(*inputs: DataFrame, **named: DataFrame) -> DataFrame:
        return logic(*inputs, **named).withColumns({name: pseudonym(name) for name in ids})

    return made
