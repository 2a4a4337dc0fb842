"""What no version of a table needs goes off the disk; so do refused batches and backfills that are long over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile
from etl.operations.backfill import staging
from etl.operations.backfill.register import Register
from etl.operations.retention import orphan_files
from etl.operations.retention.action import Action
from etl.operations.retention.window import DAY, Window, tables

STEP = "leftovers"
OWN = ("_ledger", "_backfills")  # tables that are no contract's


def plan(window: Window) -> Iterator[Action]:
    """Files of earlier versions past the readers' window, refused batches, finished backfills."""
    yield from _versions(window)
    yield from _rejected(window)
    yield from _backfills(window)


def _lake(window: Window) -> str:
    return files.absolute(window.context.settings.lake)


def _versions(window: Window) -> Iterator[Action]:
    context = window.context
    places = {t.name: context.uri(t) for t in tables(context)} | {name: f"{_lake(window)}/{name}" for name in OWN}
    readers = timedelta(hours=context.settings.maintenance.readers_hours)
    for name, uri in places.items():
        if not delta.is_table(context.spark, uri):
            continue
        gone = [r for r in orphan_files.find(context.spark, uri) if r.idle(window.today, readers)]
        if gone:
            yield _doubtful(window, name, uri, len(gone)) or _take(window, name, uri, gone)


def _doubtful(window: Window, name: str, uri: str, count: int) -> Action | None:
    """A word instead of a removal: a log that ends before what the ledger knows has lost entries, or is another's."""
    context = window.context
    known = max((e.output_version or 0 for e in context.ledger.published(name)), default=0)
    newest, table_id = delta.identity(context.spark, uri)
    if table_id != (context.ledger.table_id(name) or table_id):
        return Action(STEP, name, f"{count} files stay: the ledger knows another table of this name. Run it first")
    if newest >= known:
        return None
    what = f"{count} files stay: the log ends at version {newest}, and the ledger knows version {known}"
    return Action(STEP, name, f"{what}. See docs/runbook.md (lake), then remove them by hand")


def _take(window: Window, name: str, uri: str, gone: list[orphan_files.Remain]) -> Action:
    what = f"{len(gone)} files that no version within {window.context.settings.maintenance.readers_hours} hours needs"
    size = sum(r.file.size for r in gone)
    return Action(STEP, name, what, lambda: orphan_files.take(window.context.spark, uri, gone), len(gone), size)


def _is_old(window: Window, since: datetime) -> bool:
    return since <= window.today - window.context.settings.maintenance.rejected_days * DAY


def _rejected(window: Window) -> Iterator[Action]:
    """Batches that failed their gate, table by table."""
    spark = window.context.spark
    for table in files.list_folders(spark, f"{_lake(window)}/_rejected"):
        for batch in files.list_folders(spark, table.uri):
            if _is_old(window, _written(window, batch)):
                yield _delete(window, batch, f"_rejected/{table.name}", f"the batch refused in run {batch.name}")


def _written(window: Window, folder: LandedFile) -> datetime:
    """When the newest file below a folder was: of a folder itself an object store knows no time."""
    newest = max((f.modified for f in files.walk(window.context.spark, folder.uri)), default=folder.modified)
    return datetime.fromtimestamp(newest / 1000, UTC)


def _delete(window: Window, folder: LandedFile, place: str, what: str) -> Action:
    found = files.walk(window.context.spark, folder.uri)
    size = sum(file.size for file in found)
    return Action(STEP, place, what, lambda: files.delete(window.context.spark, folder.uri), len(found), size)


def _backfills(window: Window) -> Iterator[Action]:
    """Staged rows of a backfill that is over go at once, what `backfill diff` shows of it after some days."""
    spark, lake = window.context.spark, _lake(window)
    known = {b.id: b for b in Register(spark, lake).all()}
    for folder in files.list_folders(spark, f"{lake}/_backfill"):
        one = known.get(folder.name)
        if one and one.in_flight:
            continue
        if _is_old(window, one.at if one else _written(window, folder)):
            yield _delete(window, folder, "_backfill", f"all that was staged for {folder.name}, which is over")
        elif one and _has_rows(window, folder):
            what = f"rows staged for {folder.name}, which is {one.state}"
            yield Action(STEP, "_backfill", what, partial(staging.discard, spark, lake, folder.name))


def _has_rows(window: Window, folder: LandedFile) -> bool:
    return any(not f.name.startswith("_") for f in files.list_folders(window.context.spark, folder.uri))
