"""What landed that an event does not know: new fields, and new values of a set. Computed from the ledger alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from etl.engine.state.entry import NEW_FIELD, NEW_VALUE, Entry
from etl.model.contract import Event


def lines(event: Event, entries: list[Entry], history: list[Entry]) -> list[str]:
    """One line for each new field or value of the ledger rows of a period: its share of the records since it came.

    history: all ledger rows of the event's table up to the end of the period, oldest first.
    """
    return [_line(event, metric, history) for metric in sorted(set(_metrics(event, entries)))]


def _metrics(event: Event, entries: list[Entry]) -> Iterator[str]:
    """The metrics of what the event still does not know: a later contract may have added it."""
    allowed = {field.name: field.values for field in event.fields}
    for metric in (name for entry in entries for name in entry.metrics):
        name = metric.partition(":")[2]
        field, _, value = name.partition("=")
        is_new_field = metric.startswith(NEW_FIELD) and name not in allowed
        if is_new_field or (metric.startswith(NEW_VALUE) and value not in allowed.get(field, (value,))):
            yield metric


def _line(event: Event, metric: str, history: list[Entry]) -> str:
    seen = [entry for entry in history if metric in entry.metrics]
    since = min((hour for entry in seen for hour in entry.processed_hours), default=seen[0].started_at)
    share = _share(metric, since, history)
    if metric.startswith(NEW_FIELD):
        name = metric.removeprefix(NEW_FIELD)
        return f"new field seen: {event.name}.{_shown(name)}, {share} of records since {since:%Y-%m-%d %H:%M}"
    field, _, value = metric.removeprefix(NEW_VALUE).partition("=")
    where = f"{event.name}.{field} = {_shown(value)}"
    return f"new value seen: {where}, {share} of records since {since:%Y-%m-%d %H:%M}, quarantined"


def _share(metric: str, since: datetime, history: list[Entry]) -> str:
    """The share of the records of all hours from one on, in percent."""
    later = [entry for entry in history if max(entry.processed_hours, default=entry.started_at) >= since]
    read = sum(entry.records_read for entry in later)
    percent = 100 * sum(entry.metrics.get(metric, 0.0) for entry in later) / max(1, read)
    return f"{percent:.2g} %" if percent < 10 else f"{percent:.0f} %"


def _shown(text: str) -> str:
    """A name or value without control characters, which could forge a line of a mail."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
