"""Removes landed files past their deadline.

Heartbeats are removed some hours after a run has merged them, other events with the hours of their table. Every file
below an hour's folder is removed with the hour, at any depth and with any name. Files outside of hour folders are
removed by the time they were written. Files of events that no table reads are reported each time and stay, since no
contract describes them. Change logs stay, since their bronze tables are kept for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from etl import catalog
from etl.conf import Settings
from etl.engine.jobs.run_context import RunContext, log, record
from etl.engine.landing import owner
from etl.engine.landing import reader as landing
from etl.engine.landing.reader import Landed
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile
from etl.engine.state.entry import WITHOUT_FILES
from etl.model.contract import Event, MergeAggregate, Table
from etl.operations.retention.action import Action
from etl.operations.retention.window import DAY, Window, tables

STEP = "landing"
NOT_LANDED = (owner.OWNER, "_truth")  # the owner's marker, and the truth that a simulator writes about its own files
BACKLOG = timedelta(days=3)
"""Heartbeats of this time may be removed without --yes: they are kept for hours, so one day is a large share."""


def plan(window: Window) -> Iterator[Action]:
    """Yield an action for each event that has files past their deadline; a held action for files that stay."""
    root = files.absolute(window.context.settings.landing)
    if window.refusal:
        yield Action(STEP, root, window.refusal)
        return
    landed_tables = [t for t in tables(window.context) if t.event]
    for table in landed_tables:
        if table.retention_days is not None:
            yield from _plan_event(window, table)
    yield from _unknown(window, root, {t.event.name for t in landed_tables if t.event})


def _plan_event(window: Window, table: Table) -> Iterator[Action]:
    assert table.event
    by_hour, strays = _by_hour(window.context, table.event)
    old = sorted(hour for hour in by_hour if hour < _limit(window, table))
    listed = {
        hidden: landing.listing(window.context.spark, window.context.settings, table.event, old, hidden=hidden)
        for hidden in (False, True)
    }
    outside = {_key(f) for parts in listed.values() for part in parts for f in part.files if f.is_outside}
    unread = (
        {p.hour for p in _unread(window, table, listed[False])} if isinstance(table.write, MergeAggregate) else set()
    )
    parts = [Landed(h, tuple(f for f in by_hour[h] if _key(f) not in outside)) for h in old if h not in unread]
    removable = [part for part in parts if part.files]
    if removable:
        yield _removal(window, table, removable, sum(len(hour_files) for hour_files in by_hour.values()))
    for hour in sorted(unread):
        why = f"hour {hour:%Y-%m-%dT%H} is past its time, but its files are not collapsed yet"
        yield Action(STEP, table.event.name, why)
    if outside:
        yield Action(
            STEP, table.event.name, f"{len(outside)} links to other places are past their time: not ours to remove"
        )
    yield from _strays(window, table, strays)


def _by_hour(context: RunContext, event: Event) -> tuple[dict[datetime, list[LandedFile]], list[LandedFile]]:
    """Return the files below an event's folder by landed hour, and the files outside of hour folders."""
    root = landing.event_uri(context.settings, event)
    by_hour: dict[datetime, list[LandedFile]] = {}
    strays: list[LandedFile] = []
    for file in files.walk(context.spark, root):
        first, _, rest = files.relative_path(root, file.uri).partition("/")
        hour = landing.hour_of(first) if rest else None
        (strays if hour is None else by_hour.setdefault(hour, [])).append(file)
    return by_hour, strays


def _key(file: LandedFile) -> str:
    """Return the URI of a file without its scheme and leading slashes, of which there may be one or three."""
    return file.uri.split(":", 1)[1].lstrip("/")


def _limit(window: Window, table: Table) -> datetime:
    if isinstance(table.write, MergeAggregate):
        return window.now - kept(window.context.settings, table)
    return window.kept_from(table) or window.now


def kept(settings: Settings, table: Table) -> timedelta:
    """Return how long landed files of a table's event are kept."""
    if isinstance(table.write, MergeAggregate):
        return timedelta(hours=settings.maintenance.heartbeat_hours)
    return (table.retention_days or 0) * DAY


def landed_hours(context: RunContext, event: Event) -> list[datetime]:
    """Return the hours that have a folder in the landing zone."""
    folders = files.list_folders(context.spark, landing.event_uri(context.settings, event))
    return [hour for folder in folders if (hour := landing.hour_of(folder.name)) is not None]


def _unread(window: Window, table: Table, old: list[Landed]) -> list[Landed]:
    """Return the hours whose files are not those that a run has merged: a run must still read them."""
    read = window.context.ledger.fingerprints(table.name)
    return [part for part in old if part.files and read.get(part.hour.isoformat()) != part.fingerprint]


def _removal(window: Window, table: Table, removable: list[Landed], total: int) -> Action:
    old = [file for part in removable for file in part.files]
    first, last = removable[0].hour, removable[-1].hour
    what = f"{len(old)} files of {len(removable)} hours, {first:%Y-%m-%dT%H} to {last:%Y-%m-%dT%H}"
    assert table.event
    if why := window.needs_yes(len(old), total, _max_share(window, table)):
        return Action(STEP, table.event.name, f"{what}: {why}", needs_yes=True)
    size = sum(f.size for f in old)
    return Action(STEP, table.event.name, what, lambda: remove(window, table, removable), len(old), size)


def _max_share(window: Window, table: Table) -> float:
    """Return the share of an event's files that may be removed without --yes."""
    settings = window.context.settings
    share, time = settings.maintenance.max_removed_share, kept(settings, table) + BACKLOG
    return max(share, BACKLOG / time) if isinstance(table.write, MergeAggregate) else share


def remove(window: Window, table: Table, removable: list[Landed]) -> None:
    """Delete exactly the files that were listed, then empty folders.

    An hour of heartbeats in which a file has landed meanwhile stays: a run must still read it.
    """
    context, event = window.context, table.event
    assert event
    removed: list[datetime] = []
    for part in removable:
        now = landing.listing(context.spark, context.settings, event, [part.hour])
        if isinstance(table.write, MergeAggregate) and _unread(window, table, now):
            log.warning("maintenance: %s: a file landed in %s meanwhile; the hour stays", event.name, part.hour)
            continue
        _delete(window, landing.event_uri(context.settings, event), list(part.files))
        removed.append(part.hour)
    _record_removed(context, table, removed)


def _record_removed(context: RunContext, table: Table, hours: list[datetime]) -> None:
    """Record that landed hours have no files any more, so that `feed-etl check` does not report their loss."""
    read = context.ledger.fingerprints(table.name)
    if known := [hour.isoformat() for hour in hours if hour.isoformat() in read]:
        entry = context.begin(table)
        entry.fingerprints = dict.fromkeys(known, WITHOUT_FILES)
        record(context, entry, reason="retention: landed files are gone")


def _delete(window: Window, root: str, removable: list[LandedFile]) -> None:
    """Delete files, then the empty folders above them, deepest first. `root` stays.

    Raises ConflictError when another lake has become the owner of the landing zone meanwhile.
    """
    owner.refuse(window.context.spark, window.context.settings)
    for file in removable:
        files.delete(window.context.spark, file.uri)
    above: set[str] = set()
    for file in removable:
        parts = files.relative_path(root, file.uri).split("/")[:-1]
        above |= {"/".join(parts[: depth + 1]) for depth in range(len(parts))}
    for folder in sorted(above, key=lambda name: name.count("/"), reverse=True):
        files.delete_if_empty(window.context.spark, f"{root}/{folder}")


def _strays(window: Window, table: Table, strays: list[LandedFile]) -> Iterator[Action]:
    """Yield actions for files outside of hour folders, which no run reads. They age from when they were written."""
    assert table.event
    age = kept(window.context.settings, table)
    before = (window.today - age).timestamp() * 1000
    old = [f for f in strays if f.modified < before]
    root = landing.event_uri(window.context.settings, table.event)
    if old:
        what = f"{len(old)} files in no hour's folder, written more than {age} ago"
        yield Action(
            STEP, table.event.name, what, lambda: _delete(window, root, old), len(old), sum(f.size for f in old)
        )
    if len(old) < len(strays):
        first = min((f for f in strays if f not in old), key=lambda f: f.modified)
        what = f"{len(strays) - len(old)} files in no hour's folder, which no run reads; they go {age} after they were "
        yield Action(STEP, table.event.name, f"{what}written. The oldest: {files.relative_path(root, first.uri)!r}")


def _unknown(window: Window, root: str, read_events: set[str]) -> Iterator[Action]:
    """Yield a held action for files of events that no table of this lake reads. They are never removed."""
    known_events = {t.event.name for t in catalog.tables() if t.event}
    before = (window.today - window.context.settings.facts_days * DAY).timestamp() * 1000
    for name, unknown in _not_read(window, root, read_events).items():
        if not unknown:
            continue
        old = sum(f.modified < before for f in unknown)
        why = "no table of this lake is made of it" if name in known_events else "no event of this name is known"
        yield Action(
            STEP,
            name,
            f"{len(unknown)} files, {old} of them older than {window.context.settings.facts_days} days, stay: {why}. "
            "Remove them, or run the release and the tables that read them",
        )


def _not_read(window: Window, root: str, read_events: set[str]) -> dict[str, list[LandedFile]]:
    """Return folder or file name -> files, of what is in the landing zone and belongs to no event that is read."""
    spark = window.context.spark
    folders = [f for f in files.list_folders(spark, root) if f.name not in read_events]
    loose = [f for hidden in (False, True) for f in files.list_files(spark, root, hidden)]
    found = {f.name: files.walk(spark, f.uri) for f in folders if f.name not in NOT_LANDED}
    return found | {f.name: [f] for f in loose if f.name not in NOT_LANDED and not f.name.endswith(".crc")}
