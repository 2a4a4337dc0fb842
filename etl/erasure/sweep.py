"""What came in since the last look and names an erased viewer: landed files, rows and batches of runs under way.

A run maps erased viewers to stand-ins as it reads, so no table learns of them; the file it read still names them, until
this has been through it. A run that read its files before a viewer was on the list may have published after.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.contract import Event, Table
from etl.engine import delta, files, landing, suppression
from etl.engine.ledger import SWEPT, Entry
from etl.engine.suppression import Suppressed
from etl.engine.work import Work, in_hours, record
from etl.erasure import disk, landed, register, rules, tables
from etl.maintenance.action import Action
from etl.maintenance.landing import landed_hours
from etl.maintenance.window import Window
from etl.maintenance.window import tables as there
from etl.privacy import viewer_column

STEP = "erasure"
A_MOMENT = 1.0  # seconds between the time a row of the ledger says and its being there


def plan(window: Window) -> Iterator[Action]:
    """An action for each event and table that changed since the last look; none while nobody was erased."""
    work = window.work
    suppressed = suppression.load(work.spark, files.absolute(work.settings.lake))
    if suppressed is None:
        return
    began, present = datetime.now(UTC), there(work)
    for table, event in landed.events():
        hours = _new_hours(work, table, event) if table in present else []
        if hours:
            what = f"{len(hours)} landed hours to look through for erased viewers"
            yield Action(STEP, event.name, what, partial(landed.clean, work, table, suppressed, hours))
    for table in present:
        made = _made_since(work, table) if rules.rule(table) else []
        if made:
            what = f"{len(made)} hours to look through for erased viewers"
            yield Action(STEP, table.name, what, partial(_clean, work, table, suppressed, made, began))
    refused = files.list_folders(work.spark, f"{files.absolute(work.settings.lake)}/_rejected")
    if refused:
        what = f"refused batches of {len(refused)} tables to look through for erased viewers"
        yield Action(STEP, "_rejected", what, partial(disk.batches, work, suppressed))


def mark(work: Work, table: Table, began: datetime) -> None:
    """Note that a table has been looked through as it was at some time."""
    entry = work.begin(table)
    entry.metrics[SWEPT] = began.timestamp()
    record(work, entry, reason="looked through for erased viewers")


def _since_last(work: Work, table: Table) -> list[Entry]:
    """What was recorded of a table since the last look; a run that began before it may have ended after."""
    entries = work.ledger.published(table.name)
    last = datetime.fromtimestamp(max((e.metrics[SWEPT] for e in entries if SWEPT in e.metrics), default=0.0), UTC)
    return [e for e in entries if e.started_at + timedelta(seconds=e.seconds + A_MOMENT) > last]


def _new_hours(work: Work, table: Table, event: Event) -> list[datetime]:
    """Landed hours that a run read since the last look, or none has read as they are now."""
    known = work.ledger.fingerprints(table.name)
    read = {h for e in _since_last(work, table) for h in e.fingerprints}
    parts = landing.listing(work.spark, work.settings, event, landed_hours(work, event))
    return [p.hour for p in parts if p.hour.isoformat() in read or known.get(p.hour.isoformat()) != p.fingerprint]


def _made_since(work: Work, table: Table) -> list[datetime]:
    """Hours of a table that were published since the last look."""
    found = _since_last(work, table)
    told = {state["hour"] for e in found for state in e.hours}
    return sorted(told | {hour for e in found for hour in e.touched.get(table.hour, [])})


def _clean(work: Work, table: Table, suppressed: Suppressed, hours: list[datetime], began: datetime) -> None:
    rows = delta.read(work.spark, work.uri(table)).where(in_hours(table, hours))
    for viewer in _erased(table, rows, suppressed):
        tables.erase(work, table, viewer, suppressed, register.mark(suppressed, viewer))
        disk.purge(work, table, viewer)
    mark(work, table, began)


def _erased(table: Table, rows: DataFrame, suppressed: Suppressed) -> list[int]:
    """Erased viewers that rows name, in a column of their own or anywhere in their text."""
    whose = viewer_column(table.column_names)
    if whose:
        found = rows.select(F.col(whose).alias("viewer"))
    else:
        said = rows.select(F.explode(suppression.numbers(F.col("raw"))).alias("viewer"))
        found = said.withColumn("viewer", F.col("viewer").try_cast("bigint"))
    return [row["viewer"] for row in found.where(suppressed.has(F.col("viewer"))).distinct().collect()]
