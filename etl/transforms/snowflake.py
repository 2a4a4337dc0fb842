"""The time in a snowflake id: milliseconds since an epoch, in the bits above the lowest 22."""

from pyspark.sql import Column
from pyspark.sql import functions as F

EPOCH_MS = 1288834974657
ID_BITS = 22
"""Bits of an id below its time."""


def minted_ts(impression_id: str, epoch_ms: int = EPOCH_MS) -> Column:
    """The time an id was created, as a TIMESTAMP; NULL for NULL."""
    return F.expr(f"timestamp_millis(shiftright({impression_id}, {ID_BITS}) + {epoch_ms}L)")
