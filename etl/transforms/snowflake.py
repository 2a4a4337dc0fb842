"""The time minted into an impression_id: milliseconds since an epoch in the bits above 22."""

from pyspark.sql import Column
from pyspark.sql import functions as F

EPOCH_MS = 1288834974657


def minted_ts(impression_id: str, epoch_ms: int = EPOCH_MS) -> Column:
    """The instant an id was minted, a TIMESTAMP; NULL for NULL."""
    return F.expr(f"timestamp_millis(shiftright({impression_id}, 22) + {epoch_ms}L)")
