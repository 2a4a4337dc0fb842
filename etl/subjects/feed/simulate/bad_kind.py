"""What makes a record bad: one way to break a lawful row, and the reasons a reader must find.

Timestamps are microseconds since 1970, like everywhere in the sources; only a wrongly typed one is text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from etl.sources.landing_writer import FIELDS, Row
from etl.sources.stamps import HOUR_US

Spoil = Callable[[Row, int], None]
"""Breaks a row in place, knowing the start of the landed hour."""


def _leave(_row: Row, _landed_us: int) -> None:
    """Break nothing."""


def _is_plain(row: Row) -> bool:
    """A row that undoes, deletes and retires nothing, so that breaking a field has just the one reason."""
    return row.get("action", row.get("op", "do")) in ("do", "upsert")


@dataclass(frozen=True)
class BadKind:
    """One way a record is bad."""

    reasons: tuple[str, ...]
    """All its reason codes."""
    spoil: Spoil = _leave
    typed: bool = True
    """Whether a typed file (Parquet) can hold it."""
    fits: Callable[[Row], bool] = _is_plain
    """Whether a row may be broken this way."""
    text: Callable[[str], str] | None = None
    """Breaks the JSON text instead."""


def missing(field: str) -> BadKind:
    """Null in one half, absent in the other; the hour's parity decides."""

    def spoil(row: Row, landed_us: int) -> None:
        row[field] = None
        if landed_us // HOUR_US % 2:
            del row[field]

    return BadKind((f"missing:{field}",), spoil)


def wrong_type(event: str, field: str) -> BadKind:
    """Digits in quotes or a fraction for an integer, words for a number, a moment without offset or date."""
    wrong: dict[str, tuple[object, object]] = {
        "id": (str(10**9 + 7), 12.5),
        "int": ("3", 12.5),
        "float": ("high", [0.5]),
        "time": ("2026-06-01T10:00:00.000000", "yesterday"),
    }
    first, second = wrong[FIELDS[event][field]]

    def spoil(row: Row, landed_us: int) -> None:
        row[field] = second if landed_us // HOUR_US % 2 else first

    return BadKind((f"wrong_type:{field}",), spoil, typed=False)


def value(code: str, field: str, bad: object) -> BadKind:
    """A value of the right type that is not lawful."""

    def spoil(row: Row, _landed_us: int) -> None:
        row[field] = bad

    return BadKind((f"{code}:{field}",), spoil)


def both(one: BadKind, other: BadKind) -> BadKind:
    """A record bad in two ways, with the reasons of both."""

    def spoil(row: Row, landed_us: int) -> None:
        one.spoil(row, landed_us)
        other.spoil(row, landed_us)

    return BadKind(tuple(sorted({*one.reasons, *other.reasons})), spoil, one.typed and other.typed)
