"""Landed files go when their time is up: heartbeats hours after they are collapsed, raw facts with their table's hours.

Change logs stay: their bronze is kept for good, and so are the files it was made from.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from etl.contract import Event, Table, WriteMode
from etl.engine import files, landing
from etl.engine.landing import Landed
from etl.engine.work import Work
from etl.maintenance.action import Action
from etl.maintenance.window import Window, tables

STEP = "landing"


def plan(window: Window) -> Iterator[Action]:
    """An action for each event that has files past their time, and a word on those nobody has read yet."""
    for table in tables(window.work):
        if table.event is None or table.retention_days is None:
            continue
        old = _landed_before(window, table, _limit(window, table))
        unread = _unread(window, table, old) if table.write is WriteMode.COMBINE else []
        gone = _own(window, table, [part for part in old if part not in unread])
        if gone:
            yield _remove(window, table, gone)
        for part in unread:
            why = f"hour {part.hour:%Y-%m-%dT%H} is past its time, but its files are not collapsed yet"
            yield Action(STEP, table.event.name, why)


def _own(window: Window, table: Table, old: list[Landed]) -> list[Landed]:
    """Hours that have files to remove: those listed, and hidden ones; none that a link has brought in."""
    work = window.work
    assert table.event
    hidden = landing.listing(work.spark, work.settings, table.event, [part.hour for part in old], hidden=True)
    both = [Landed(seen.hour, seen.files + unseen.files) for seen, unseen in zip(old, hidden, strict=True)]
    own = [Landed(part.hour, tuple(f for f in part.files if not f.is_outside)) for part in both]
    return [part for part in own if part.files]


def _limit(window: Window, table: Table) -> datetime:
    if table.write is WriteMode.COMBINE:
        return window.now - timedelta(hours=window.work.settings.maintenance.heartbeat_hours)
    return window.kept_from(table) or window.now


def _landed_before(window: Window, table: Table, limit: datetime) -> list[Landed]:
    """What is in the landing zone of hours that ended by a limit."""
    work, event = window.work, table.event
    assert event
    hours = [hour for hour in landed_hours(work, event) if hour < limit]
    return landing.listing(work.spark, work.settings, event, hours)


def landed_hours(work: Work, event: Event) -> list[datetime]:
    """Hours that have a folder in the landing zone."""
    folders = files.list_folders(work.spark, f"{files.absolute(work.settings.landing)}/{event.name}")
    return [hour for folder in folders if (hour := _hour(folder.name)) is not None]


def _hour(folder: str) -> datetime | None:
    try:
        hour = datetime.strptime(folder, f"hour={landing.HOUR}").replace(tzinfo=UTC)
    except ValueError:
        return None
    return hour if folder == landing.folder(hour) else None


def _unread(window: Window, table: Table, old: list[Landed]) -> list[Landed]:
    """Hours whose files are not the ones that were collapsed: a run is still to read them."""
    known = window.work.ledger.fingerprints(table.name)
    return [part for part in old if part.files and known.get(part.hour.isoformat()) != part.fingerprint]


def _remove(window: Window, table: Table, gone: list[Landed]) -> Action:
    found = [file for part in gone for file in part.files]
    first, last = gone[0].hour, gone[-1].hour
    what = f"{len(found)} files of {len(gone)} hours, {first:%Y-%m-%dT%H} to {last:%Y-%m-%dT%H}"
    assert table.event
    return Action(STEP, table.event.name, what, lambda: remove(window, gone), len(found), sum(f.size for f in found))


def remove(window: Window, gone: list[Landed]) -> None:
    """Delete exactly the files that were listed, then folders that hold nothing more."""
    spark = window.work.spark
    for part in gone:
        for file in part.files:
            files.delete(spark, file.uri)
        for below in sorted(_folders(part), key=len, reverse=True):
            files.delete_if_empty(spark, below)


def _folders(part: Landed) -> set[str]:
    """The folder of an hour and those below it that hold its files."""
    found = set()
    for file in part.files:
        folder = file.uri.rsplit("/", 1)[0]
        found.add(folder)
        for _ in file.within.split("/") if file.within else []:
            folder = folder.rsplit("/", 1)[0]
            found.add(folder)
    return found
