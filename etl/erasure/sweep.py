"""What came in since the last look and names an erased viewer: landed files, and rows of a run that was under way.

A run maps erased viewers to stand-ins as it reads, so no table learns of them; the file it read still names them, until
this has been through it. A run that read its files before a viewer was on the list may have published after.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from pyspark.sql import functions as F

from etl.contract import Event, Table
from etl.engine import delta, files, landing, suppression
from etl.engine.ledger import SWEPT
from etl.engine.suppression import Suppressed
from etl.engine.work import Work, in_hours, record
from etl.erasure import disk, landed, rules, tables
from etl.maintenance.action import Action
from etl.maintenance.landing import landed_hours
from etl.maintenance.window import Window
from etl.maintenance.window import tables as there
from etl.privacy import viewer_column

STEP = "erasure"


def plan(window: Window) -> Iterator[Action]:
    """An action for each event and table that changed since the last look; none while nobody was erased."""
    work = window.work
    suppressed = suppression.load(work.spark, files.absolute(work.settings.lake))
    if suppressed is None:
        return
    present = {t.name for t in there(work)}
    for table, event in landed.events():
        hours = _new_hours(work, table, event) if table.name in present else []
        if hours:
            what = f"{len(hours)} landed hours to look through for erased viewers"
            yield Action(STEP, event.name, what, partial(landed.clean, work, table, suppressed, hours))
    for table in there(work):
        made = _made_since(work, table) if rules.rule(table) and viewer_column(table.column_names) else []
        if made:
            what = f"{len(made)} hours to look through for erased viewers"
            yield Action(STEP, table.name, what, partial(_clean, work, table, suppressed, made))


def mark(work: Work, table: Table) -> None:
    """Note that a table has been looked through."""
    entry = work.begin(table)
    entry.metrics[SWEPT] = entry.started_at.timestamp()
    record(work, entry, reason="looked through for erased viewers")


def _last(work: Work, table: Table) -> datetime:
    seen = [e.metrics[SWEPT] for e in work.ledger.published(table.name) if SWEPT in e.metrics]
    return datetime.fromtimestamp(max(seen, default=0.0), UTC)


def _new_hours(work: Work, table: Table, event: Event) -> list[datetime]:
    """Landed hours that a run read since the last look, or none has read as they are now."""
    known, last = work.ledger.fingerprints(table.name), _last(work, table)
    read = {h for e in work.ledger.published(table.name) if e.started_at > last for h in e.fingerprints}
    parts = landing.listing(work.spark, work.settings, event, landed_hours(work, event))
    return [p.hour for p in parts if p.hour.isoformat() in read or known.get(p.hour.isoformat()) != p.fingerprint]


def _made_since(work: Work, table: Table) -> list[datetime]:
    """Hours of a table that were published since the last look."""
    last = _last(work, table)
    made = {s["hour"] for e in work.ledger.published(table.name) if e.started_at > last for s in e.hours}
    return sorted(made)


def _clean(work: Work, table: Table, suppressed: Suppressed, hours: list[datetime]) -> None:
    rows = delta.read(work.spark, work.uri(table)).where(in_hours(table, hours))
    whose = F.col(viewer_column(table.column_names) or "")
    for row in rows.where(suppressed.has(whose)).select(whose.alias("viewer")).distinct().collect():
        tables.erase(work, table, row["viewer"], suppressed, STEP)
        disk.purge(work, table, row["viewer"])
    mark(work, table)
