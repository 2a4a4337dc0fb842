"""Describes an event to those who write its files: fields, limits, keys, and one record that landing accepts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from etl import catalog
from etl.conf import Settings
from etl.engine.landing import faults
from etl.engine.landing import reader as landing
from etl.errors import no_such
from etl.model.contract import Column, Event, Layer
from etl.transforms.scd2 import CLOSING
from etl.transforms.snowflake import ID_BITS

HOUR = datetime(2026, 6, 1, 10, tzinfo=UTC)
"""The landed hour of the example record."""
TIME = HOUR.replace(minute=15)
EVENT_LAYERS = (Layer.DIMS, Layer.FACTS)


def event(name: str) -> Event:
    """An event by its name. Raises ConfigError, which lists the events, for an unknown name."""
    found = {e.name: e for e in catalog.landing_events()}
    if name not in found:
        raise no_such("event", name, found)
    return found[name]


def document(event: Event, settings: Settings) -> dict[str, Any]:
    """Everything about an event, as JSON values."""
    return {
        "event": event.name,
        "subject": next(s.name for s in catalog.subjects().values() if event in s.events),
        "folder": f"{settings.landing.rstrip('/')}/{event.name}/{landing.folder(HOUR)}/",
        "formats": [*landing.TEXT, *landing.COLUMNAR],
        "tables": [t.name for t in catalog.tables() if t.event == event],
        "keys": keys(event),
        "lateness": lateness(event, settings),
        "fields": [_field(field, event, settings) for field in event.fields],
        "rules": [{"reason": reason, "refused_when": " ".join(sql.split())} for reason, sql in event.rules],
        "example": example(event, settings),
    }


def keys(event: Event) -> dict[str, list[str]]:
    """Table -> its key, for the facts and dimensions that are made from the event: they keep one row for each key."""
    landed = {t.name for t in catalog.tables() if t.event == event}
    direct = [t for t in catalog.tables() if t.name in landed or landed & {i.table.name for i in t.inputs}]
    return {t.name: list(t.key) for t in direct if t.key and t.layer in EVENT_LAYERS}


def lateness(event: Event, settings: Settings) -> list[str]:
    """How far each time of the event may lie from the hour in which its file lands; one sentence each."""
    ahead = f"at most {settings.future_minutes} minutes after its end"
    found = [
        f"{time}: at most {faults.days_behind(event, settings, limit)} days before its landed hour, {ahead}"
        for time, limit in event.times
    ]
    found += [f"{name}: at most {settings.ledger_ahead_days} days after its landed day" for name in event.not_ahead]
    own = {time for time, _ in event.times}
    others = [f.name for f in event.fields if f.type in ("DATE", "TIMESTAMP") and f.name not in own]
    return found + [f"{name}: from {settings.min_day} to {settings.max_day}" for name in others]


def _field(field: Column, event: Event, settings: Settings) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": field.type,
        "required": required(field, event, settings),
        "allowed": allowed(field, event),
        "unit": field.unit,
        "privacy": field.privacy,
        "meaning": field.meaning,
    }


def required(field: Column, event: Event, settings: Settings) -> str:
    """Whether a record must have the field: yes, no (and by which key of conf), or for which records."""
    if field.name not in faults.required(event, settings):
        keys = dict(event.required_unless)
        return f"no (conf has {keys[field.name]})" if field.name in keys else "no"
    return f"unless op is {' or '.join(CLOSING)}" if field.name in event.optional_on_close else "yes"


def allowed(field: Column, event: Event) -> str:
    """The allowed values or range of a field, as text; empty when its type is the only limit."""
    if field.values:
        return ", ".join(values(field, event))
    if field.low is None and field.high is None:
        return ""
    low, high = ("" if limit is None else f"{limit:.15g}" for limit in (field.low, field.high))
    return f"{low} … {high}" if low and high else f"at least {low}" if low else f"at most {high}"


def values(field: Column, event: Event) -> tuple[str, ...]:
    """The allowed values of a field, without those that a rule `out_of_set` of the event refuses."""
    refused = {sql for reason, sql in event.rules if reason == f"out_of_set:{field.name}"}
    return tuple(value for value in field.values if f"{field.name} = '{value}'" not in refused)


def example(event: Event, settings: Settings) -> dict[str, Any]:
    """One record that landing accepts in HOUR: every required field, and each optional field that has an example."""
    chosen = [field for field in event.fields if field.name in event.required or field.example is not None]
    return {field.name: _value(field, event, settings, number) for number, field in enumerate(chosen, 1)}


def _value(field: Column, event: Event, settings: Settings, number: int) -> Any:
    if field.name == event.snowflake:
        return (int(TIME.timestamp() * 1000) - settings.snowflake_epoch_ms << ID_BITS) + 1
    if field.example is not None:
        return field.example
    if field.values:
        return values(field, event)[0]
    return _of_type(field, number)


def _of_type(field: Column, number: int) -> Any:
    """A value of the field's type within its range."""
    match field.type.split("(")[0]:
        case "TIMESTAMP":
            return TIME.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case "DATE":
            return TIME.strftime("%Y-%m-%d")
        case "BOOLEAN":
            return True
        case "STRING":
            return field.name
        case "DECIMAL":
            return _within(field, 0.5)
        case "BIGINT":
            return int(_within(field, 1000 + number))
        case "ARRAY<BIGINT>":
            return [1]
        case _:
            return int(_within(field, 1))


def _within(field: Column, value: float) -> float:
    return min(max(value, value if field.low is None else field.low), value if field.high is None else field.high)
