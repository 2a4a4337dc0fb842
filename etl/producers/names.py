"""Finds the field that a producer may have meant by an unknown name."""

from __future__ import annotations

from collections.abc import Collection
from difflib import SequenceMatcher

from etl.model.contract import Column, Event

MIN_LIKENESS = 0.6
"""Names that are less alike are not suggested. 1 means equal."""
ALL_WORDS = 0.9
"""Likeness of a name whose words are all in the other name, and more when little else is in it."""


def nearest(unknown: Collection[str], event: Event, absent: Collection[str]) -> dict[str, str | None]:
    """Unknown name -> the field that it may mean; None when no field is like it.

    An absent field is suggested for one name only, the one that is most like it. A field that the records have is
    suggested for nothing else than its own name in another case.
    """
    fields = {field.name: field for field in event.fields}
    pairs = [(likeness(name, fields[field]), name, field) for name in unknown for field in absent]
    pairs += [(1.0, name, field) for name in unknown for field in fields if name.lower() == field.lower()]
    found: dict[str, str | None] = dict.fromkeys(sorted(unknown))
    taken: set[str] = set()
    for alike, name, field in sorted(pairs, key=lambda pair: (-pair[0], *pair[1:])):
        if alike >= MIN_LIKENESS and found[name] is None and field not in taken:
            found[name] = field
            taken.add(field)
    return found


def likeness(name: str, field: Column) -> float:
    """How alike a name and a field, or a name that others have for it, are: from 0 to 1."""
    return max(_likeness(name.lower(), known) for known in (field.name, *field.aliases))


def _likeness(name: str, known: str) -> float:
    """How alike two names are. `ts` is like `impression_ts`: all its words are in the other name."""
    if set(name.split("_")) <= set(known.split("_")):
        return ALL_WORDS + (1 - ALL_WORDS) * len(name) / len(known)
    return SequenceMatcher(None, name, known).ratio()
