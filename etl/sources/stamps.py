"""Times and ids as the ingest gateway creates them.

Sources count time in whole microseconds since 1970 UTC (`int`, suffix `_us`). This is exact and cheap to compare.
Times become text only when a landing file is written.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
"""Milliseconds since 1970 at which snowflake time starts."""
LOW_BITS = 22
"""Bits of a snowflake below its time: worker and sequence."""

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of a timezone-aware datetime."""
    return (moment - _UNIX_EPOCH) // timedelta(microseconds=1)


def to_datetime(us: int) -> datetime:
    """The UTC datetime of microseconds since 1970."""
    return _UNIX_EPOCH + timedelta(microseconds=us)


def hour_of(us: int) -> int:
    """The start of the hour that contains a time; both in microseconds."""
    return us - us % HOUR_US


@lru_cache(maxsize=100_000)
def _second_text(second: int) -> str:
    return to_datetime(second * SECOND_US).strftime("%Y-%m-%dT%H:%M:%S")


def iso(us: int, offset: str = "+00:00") -> str:
    """ISO 8601 to the microsecond, written with `offset` (`Z` or `±hh:mm`).

    >>> iso(0, "+02:00")
    '1970-01-01T02:00:00.000000+02:00'
    """
    second, micros = divmod(us + _offset_us(offset), SECOND_US)
    return f"{_second_text(second)}.{micros:06d}{offset}"


@cache
def _offset_us(offset: str) -> int:
    if offset == "Z":
        return 0
    sign = -1 if offset[0] == "-" else 1
    return sign * (int(offset[1:3]) * HOUR_US + int(offset[4:6]) * MINUTE_US)


def hour_text(us: int) -> str:
    """The name of an hour in landing folders, e.g. `2026-06-01T10`."""
    return _second_text(us // SECOND_US)[:13]


def snowflake(ms: int, low: int) -> int:
    """The id created at `ms` milliseconds since 1970, with `low` (worker and sequence) in its lowest 22 bits."""
    return (ms - SNOWFLAKE_EPOCH_MS) << LOW_BITS | low


def minted_us(snowflake_id: int) -> int:
    """The time an id was created, in microseconds since 1970 (whole milliseconds).

    >>> minted_us(snowflake(1_780_000_000_123, 7))
    1780000000123000
    """
    return ((snowflake_id >> LOW_BITS) + SNOWFLAKE_EPOCH_MS) * 1000


@lru_cache(maxsize=2_000_000)
def partition_of(viewer_id: int, partitions: int) -> int:
    """The log partition of a viewer.

    The partition is a hash of the viewer, not of the post. So the records of a very popular post are spread over all
    partitions.
    """
    digest = hashlib.blake2b(f"v:{viewer_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % partitions
