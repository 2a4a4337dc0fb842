"""Landed files go when their time is up: heartbeats hours after they are collapsed, raw facts with their table's hours.

Every file below an hour's folder goes with the hour, however deep and whatever its name. Files in no hour's folder go
by the time they were written. What belongs to no event that a table is made of is named each time, and stays: no
contract says what it is. Change logs stay: their bronze is kept for good, and so are the files it was made from.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from etl import catalog
from etl.engine.jobs.run_context import RunContext, log
from etl.engine.landing import owner
from etl.engine.landing import reader as landing
from etl.engine.landing.reader import Landed
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile
from etl.model.contract import Event, MergeAggregate, Table
from etl.operations.retention.action import Action
from etl.operations.retention.window import DAY, Window, tables

STEP = "landing"
NOT_LANDED = (owner.OWNER, "_truth")  # the marker, and what a simulator wrote down of its own files
BACKLOG = timedelta(days=3)  # of heartbeats that may go unasked: these are kept for hours, so a day is much of them


def plan(window: Window) -> Iterator[Action]:
    """An action for each event that has files past their time, and a word on those that stay past it."""
    root = files.absolute(window.context.settings.landing)
    if window.refusal:
        yield Action(STEP, root, window.refusal)
        return
    made = [t for t in tables(window.context) if t.event]
    for table in made:
        if table.retention_days is not None:
            yield from _of_event(window, table)
    yield from _unknown(window, root, {t.event.name for t in made if t.event})


def _of_event(window: Window, table: Table) -> Iterator[Action]:
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
    gone = [part for part in parts if part.files]
    if gone:
        yield _remove(window, table, gone, sum(len(found) for found in by_hour.values()))
    for hour in sorted(unread):
        why = f"hour {hour:%Y-%m-%dT%H} is past its time, but its files are not collapsed yet"
        yield Action(STEP, table.event.name, why)
    if outside:
        yield Action(
            STEP, table.event.name, f"{len(outside)} links to other places are past their time: not ours to remove"
        )
    yield from _strays(window, table, strays)


def _by_hour(context: RunContext, event: Event) -> tuple[dict[datetime, list[LandedFile]], list[LandedFile]]:
    """Every file below an event's folder by landed hour, and those in no hour's folder."""
    root = f"{files.absolute(context.settings.landing)}/{event.name}"
    by_hour: dict[datetime, list[LandedFile]] = {}
    strays: list[LandedFile] = []
    for file in files.walk(context.spark, root):
        first, _, rest = files.relative_path(root, file.uri).partition("/")
        hour = landing.hour_of(first) if rest else None
        (strays if hour is None else by_hour.setdefault(hour, [])).append(file)
    return by_hour, strays


def _key(file: LandedFile) -> str:
    """A file's URI with one slash after its scheme, as all of one zone compare."""
    return file.uri.split(":", 1)[1].lstrip("/")


def _limit(window: Window, table: Table) -> datetime:
    if isinstance(table.write, MergeAggregate):
        return window.now - _kept(window, table)
    return window.kept_from(table) or window.now


def _kept(window: Window, table: Table) -> timedelta:
    """How long landed files of a table's event stay."""
    if isinstance(table.write, MergeAggregate):
        return timedelta(hours=window.context.settings.maintenance.heartbeat_hours)
    return (table.retention_days or 0) * DAY


def landed_hours(context: RunContext, event: Event) -> list[datetime]:
    """Hours that have a folder in the landing zone."""
    folders = files.list_folders(context.spark, f"{files.absolute(context.settings.landing)}/{event.name}")
    return [hour for folder in folders if (hour := landing.hour_of(folder.name)) is not None]


def _unread(window: Window, table: Table, old: list[Landed]) -> list[Landed]:
    """Hours whose files are not the ones that were collapsed: a run is still to read them."""
    known = window.context.ledger.fingerprints(table.name)
    return [part for part in old if part.files and known.get(part.hour.isoformat()) != part.fingerprint]


def _remove(window: Window, table: Table, gone: list[Landed], of: int) -> Action:
    found = [file for part in gone for file in part.files]
    first, last = gone[0].hour, gone[-1].hour
    what = f"{len(found)} files of {len(gone)} hours, {first:%Y-%m-%dT%H} to {last:%Y-%m-%dT%H}"
    assert table.event
    if asked := window.asks(len(found), of, _allowed(window, table)):
        return Action(STEP, table.event.name, f"{what}: {asked}")
    size = sum(f.size for f in found)
    return Action(STEP, table.event.name, what, lambda: remove(window, table, gone), len(found), size)


def _allowed(window: Window, table: Table) -> float:
    """The share of an event's files that may go unasked."""
    share = window.context.settings.maintenance.max_removed_share
    return max(share, BACKLOG / (_kept(window, table) + BACKLOG)) if isinstance(table.write, MergeAggregate) else share


def remove(window: Window, table: Table, gone: list[Landed]) -> None:
    """Delete exactly the files that were listed, then folders that hold nothing more.

    An hour of heartbeats in which a file landed meanwhile stays as it is: a run is still to read it.
    """
    context, event = window.context, table.event
    assert event
    for part in gone:
        now = landing.listing(context.spark, context.settings, event, [part.hour])
        if isinstance(table.write, MergeAggregate) and _unread(window, table, now):
            log.warning("maintenance: %s landed more in %s meanwhile; the hour stays", event.name, part.hour)
            continue
        _delete(window, f"{files.absolute(context.settings.landing)}/{event.name}", list(part.files))


def _delete(window: Window, root: str, gone: list[LandedFile]) -> None:
    """Delete files, then the folders above them, the deepest first, as far as they are empty; `root` stays.

    Raises ConflictError when the landing zone has got another owner meanwhile.
    """
    owner.refuse(window.context.spark, window.context.settings)
    for file in gone:
        files.delete(window.context.spark, file.uri)
    above: set[str] = set()
    for file in gone:
        parts = files.relative_path(root, file.uri).split("/")[:-1]
        above |= {"/".join(parts[: depth + 1]) for depth in range(len(parts))}
    for folder in sorted(above, key=lambda name: name.count("/"), reverse=True):
        files.delete_if_empty(window.context.spark, f"{root}/{folder}")


def _strays(window: Window, table: Table, found: list[LandedFile]) -> Iterator[Action]:
    """Files in no hour's folder, which no run reads: they are kept as long as others, from when they were written."""
    assert table.event
    kept = _kept(window, table)
    before = (window.today - kept).timestamp() * 1000
    old = [f for f in found if f.modified < before]
    root = f"{files.absolute(window.context.settings.landing)}/{table.event.name}"
    if old:
        what = f"{len(old)} files in no hour's folder, written more than {kept} ago"
        yield Action(
            STEP, table.event.name, what, lambda: _delete(window, root, old), len(old), sum(f.size for f in old)
        )
    if len(old) < len(found):
        first = min((f for f in found if f not in old), key=lambda f: f.modified)
        what = f"{len(found) - len(old)} files in no hour's folder, which no run reads; they go {kept} after they were "
        yield Action(STEP, table.event.name, f"{what}written. The oldest: {files.relative_path(root, first.uri)!r}")


def _unknown(window: Window, root: str, made: set[str]) -> Iterator[Action]:
    """What belongs to no event that a table of this lake is made of. It is named, and never removed."""
    spark, known = window.context.spark, {t.event.name for t in catalog.tables() if t.event}
    folders = [f for f in files.list_folders(spark, root) if f.name not in made]
    loose = [f for hidden in (False, True) for f in files.list_files(spark, root, hidden)]
    places = {f.name: files.walk(spark, f.uri) for f in folders if f.name not in NOT_LANDED}
    places |= {f.name: [f] for f in loose if f.name not in NOT_LANDED and not f.name.endswith(".crc")}
    before = (window.today - window.context.settings.facts_days * DAY).timestamp() * 1000
    for name, found in places.items():
        if not found:
            continue
        old = sum(f.modified < before for f in found)
        why = "no table of this lake is made of it" if name in known else "no event of this name is known"
        yield Action(
            STEP,
            name,
            f"{len(found)} files, {old} of them older than {window.context.settings.facts_days} days, stay: {why}. "
            "Remove them, or run the release and the tables that read them",
        )
