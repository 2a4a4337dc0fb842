"""The fields of the feed's events, from their contracts."""

from __future__ import annotations

from etl.sources.landing_writer import fields
from etl.subjects.feed.events import EVENTS

FIELDS = {event.name: fields(event.name) for event in EVENTS}
"""Event -> field -> kind, in the order of the contracts."""
FACT_EVENTS = tuple(event.name for event in EVENTS if event.times)
CHANGE_EVENTS = tuple(event.name for event in EVENTS if not event.times)
_REQUIRED = {event.name: tuple(field.name for field in event.fields if not field.nullable) for event in EVENTS}


def required_fields(event: str) -> tuple[str, ...]:
    """The fields of an event that must be present and not null."""
    return _REQUIRED[event]
