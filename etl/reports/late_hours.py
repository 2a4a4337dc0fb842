"""Late hours on the dashboard: landed hours with far fewer records of an event than that event usually has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from etl.engine.quality.completeness import LandedHour
from etl.reports import charts
from etl.reports.axes import hour, number
from etl.reports.figure import Figure
from etl.reports.health import Health
from etl.reports.operations import Events
from etl.reports.tile import Tile, no_data

SHOWN = 3
"""Late hours that the tile names."""


def tiles(subject: str, page: Health) -> list[Tile]:
    """The tile of a subject; no tile when the page has no landed hours of it."""
    events = page.landed_hours.get(subject)
    return [tile(f"late-hours-{subject}", events)] if events else []


def figures(subject: str, page: Health) -> list[Figure]:
    """The chart of a subject; no chart when the page has no landed hours of it."""
    events = page.landed_hours.get(subject)
    return [figure(f"completeness-{subject}", events, page.hours)] if events else []


def late(events: Events) -> list[tuple[str, LandedHour]]:
    """(event, landed hour) of every late hour, the newest hour first."""
    found = [(name, landed) for name, hours in events.items() for landed in hours.values() if landed.late]
    return sorted(found, key=lambda each: (each[1].hour, each[0]), reverse=True)


def tile(name: str, events: Events) -> Tile:
    """The number of late event-hours, and the newest of them by name."""
    title, found = "Late hours", late(events)
    processed = sum(map(len, events.values()))
    if not processed:
        return no_data(name, title, "no landed hour of the range was processed")
    listed = "; ".join(f"{event} {landed.hour:%d %b %H:00}: {landed.late}" for event, landed in found[:SHOWN])
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    detail = f"{listed}{more}" if found else f"all {number(processed)} event-hours have the records they usually have"
    return Tile(name, title, str(len(found)), len(found), "watch" if found else "ok", detail)


def figure(name: str, events: Events, hours: Sequence[datetime]) -> Figure:
    """A row per event and a square per processed hour. A late hour has a cross."""
    processed = {event: set(found) for event, found in events.items()}
    marked = {event: {h for h, landed in found.items() if landed.late} for event, found in events.items()}
    table = [
        [hour(landed.hour), event, landed.late, number(landed.files), number(landed.records),
         "unknown" if landed.expected is None else number(landed.expected)]
        for event, landed in late(events)
    ]  # fmt: skip
    says = f"{len(table)} of {sum(map(len, processed.values()))} processed event-hours are late."
    columns = ["Landed hour (UTC)", "Event", "Why it is late", "Files", "Records", "Usual records"]
    unit = "one square per event and processed hour; a cross: late; empty: not processed"
    return Figure(name, "Completeness of landed hours", unit, says,
                  charts.presence(name, hours, processed, marked), columns, table)  # fmt: skip
