"""Kinds of bad records: one way to break a valid row, and the quarantine reasons that a reader must report.

Timestamps are microseconds since 1970, as in all sources. Only a timestamp with a wrong type is text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from etl.sources.landing_writer import Row
from etl.sources.stamps import HOUR_US
from etl.subjects.feed.simulate.fields import FIELDS

Corrupt = Callable[[Row, int], None]
"""A function (row, start of the landed hour in microseconds) that breaks the row in place."""


def _leave(_row: Row, _landed_us: int) -> None:
    """Break nothing."""


def _is_plain(row: Row) -> bool:
    """Whether a row is a do or an upsert. Breaking a field of such a row gives exactly one quarantine reason."""
    return row.get("action", row.get("op", "do")) in ("do", "upsert")


@dataclass(frozen=True)
class BadKind:
    """One way to break a record."""

    reasons: tuple[str, ...]
    """All quarantine reasons of the broken record."""
    corrupt: Corrupt = _leave
    """Breaks the row in place."""
    typed: bool = True
    """Whether a typed file (Parquet) can hold the broken record."""
    fits: Callable[[Row], bool] = _is_plain
    """Whether a row can be broken this way."""
    text: Callable[[str], str] | None = None
    """Breaks the JSON text of the row; None leaves the text unchanged."""


def missing(field: str) -> BadKind:
    """A field that is absent in odd landed hours and null in even ones."""

    def corrupt(row: Row, landed_us: int) -> None:
        row[field] = None
        if landed_us // HOUR_US % 2:
            del row[field]

    return BadKind((f"missing:{field}",), corrupt)


def wrong_type(event: str, field: str) -> BadKind:
    """A field of the wrong type.

    Digits in quotes or a fraction for an integer, text or a list for a number, a time without an offset or a date.
    """
    wrong: dict[str, tuple[object, object]] = {
        "id": (str(10**9 + 7), 12.5),
        "int": ("3", 12.5),
        "float": ("high", [0.5]),
        "time": ("2026-06-01T10:00:00.000000", "yesterday"),
    }
    first, second = wrong[FIELDS[event][field]]

    def corrupt(row: Row, landed_us: int) -> None:
        row[field] = second if landed_us // HOUR_US % 2 else first

    return BadKind((f"wrong_type:{field}",), corrupt, typed=False)


def value(code: str, field: str, bad: object) -> BadKind:
    """A value of the right type that is not allowed."""

    def corrupt(row: Row, _landed_us: int) -> None:
        row[field] = bad

    return BadKind((f"{code}:{field}",), corrupt)


def both(one: BadKind, other: BadKind) -> BadKind:
    """A record that is broken in two ways, with the reasons of both."""

    def corrupt(row: Row, landed_us: int) -> None:
        one.corrupt(row, landed_us)
        other.corrupt(row, landed_us)

    return BadKind(tuple(sorted({*one.reasons, *other.reasons})), corrupt, one.typed and other.typed)
