"""Vacuums a lake: removes orphan files, rejected batches, ended backfills and event files once they are old enough."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile
from etl.engine.state import results_table
from etl.lineage.openlineage import FOLDER as EVENTS
from etl.operations.backfill import staging
from etl.operations.backfill.register import Register
from etl.operations.retention import orphan_files
from etl.operations.retention.action import Action
from etl.operations.retention.orphan_files import OrphanFile
from etl.operations.retention.window import DAY, Window, tables

STEP = "leftovers"
INTERNAL = ("_ledger", "_backfills", results_table.FOLDER)  # Delta tables of the lake that are not in the catalog


def plan(window: Window) -> Iterator[Action]:
    """Yield actions for orphan files past the readers' window, and old batches, ended backfills and event files."""
    yield from _orphan_files(window)
    yield from _rejected(window)
    yield from _backfills(window)
    yield from _event_files(window)


def _lake(window: Window) -> str:
    return files.absolute(window.context.settings.lake)


def _orphan_files(window: Window) -> Iterator[Action]:
    context = window.context
    uris = {t.name: context.uri(t) for t in tables(context)} | {name: f"{_lake(window)}/{name}" for name in INTERNAL}
    readers = timedelta(hours=context.settings.maintenance.readers_hours)
    for name, uri in uris.items():
        if not delta.is_table(context.spark, uri):
            continue
        orphans = [o for o in orphan_files.find(context.spark, uri) if o.is_unused(window.today, readers)]
        if orphans:
            yield _held(window, name, uri, len(orphans)) or _removal(window, name, uri, orphans)


def _held(window: Window, name: str, uri: str, count: int) -> Action | None:
    """Return an action that removes nothing when the log ends before the version that the ledger has recorded.

    Then the log has lost commits or belongs to another table, and the orphan files may be data of the true table.
    """
    context = window.context
    recorded = max((e.output_version or 0 for e in context.ledger.published(name)), default=0)
    newest, table_id = delta.identity(context.spark, uri)
    if table_id != (context.ledger.table_id(name) or table_id):
        return Action(STEP, name, f"{count} files stay: the ledger knows another table of this name. Run it first")
    if newest >= recorded:
        return None
    what = f"{count} files stay: the log ends at version {newest}, and the ledger knows version {recorded}"
    return Action(STEP, name, f"{what}. See docs/runbook.md (lake), then remove them by hand")


def _removal(window: Window, name: str, uri: str, orphans: list[OrphanFile]) -> Action:
    readers_hours = window.context.settings.maintenance.readers_hours
    what = f"{len(orphans)} files that no version within {readers_hours} hours needs"
    size = sum(o.file.size for o in orphans)
    return Action(STEP, name, what, lambda: orphan_files.remove(window.context.spark, uri, orphans), len(orphans), size)


def _is_old(window: Window, since: datetime) -> bool:
    return since <= window.today - window.context.settings.maintenance.rejected_days * DAY


def _rejected(window: Window) -> Iterator[Action]:
    """Yield an action for each old batch that failed its gate."""
    spark = window.context.spark
    for table in files.list_folders(spark, f"{_lake(window)}/_rejected"):
        for batch in files.list_folders(spark, table.uri):
            if _is_old(window, _written(window, batch)):
                yield _delete(window, batch, f"_rejected/{table.name}", f"the batch rejected in run {batch.name}")


def _written(window: Window, folder: LandedFile) -> datetime:
    """Return when the newest file below a folder was written: an object store has no times of folders."""
    newest = max((f.modified for f in files.walk(window.context.spark, folder.uri)), default=folder.modified)
    return datetime.fromtimestamp(newest / 1000, UTC)


def _delete(window: Window, folder: LandedFile, place: str, what: str) -> Action:
    contents = files.walk(window.context.spark, folder.uri)
    size = sum(file.size for file in contents)
    return Action(STEP, place, what, lambda: files.delete(window.context.spark, folder.uri), len(contents), size)


def _backfills(window: Window) -> Iterator[Action]:
    """Yield actions that remove the staged rows of an ended backfill at once, and its comparison after some days."""
    spark, lake = window.context.spark, _lake(window)
    by_id = {b.id: b for b in Register(spark, lake).all()}
    for folder in files.list_folders(spark, f"{lake}/_backfill"):
        backfill = by_id.get(folder.name)
        if backfill and backfill.in_flight:
            continue
        if _is_old(window, backfill.at if backfill else _written(window, folder)):
            yield _delete(window, folder, "_backfill", f"all that was staged for {folder.name}, which has ended")
        elif backfill and _has_rows(window, folder):
            what = f"rows staged for {folder.name}, which is {backfill.state}"
            yield Action(STEP, "_backfill", what, partial(staging.discard, spark, lake, folder.name))


def _has_rows(window: Window, folder: LandedFile) -> bool:
    return any(not f.name.startswith("_") for f in files.list_folders(window.context.spark, folder.uri))


def _event_files(window: Window) -> Iterator[Action]:
    """Yield an action for the files of OpenLineage events in the lake that are past `openlineage.keep_days`."""
    spark, keep_days = window.context.spark, window.context.settings.openlineage.keep_days
    oldest = (window.today - keep_days * DAY).timestamp() * 1000
    old = [file for file in files.list_files(spark, f"{_lake(window)}/{EVENTS}") if file.modified < oldest]
    if old:
        what = f"{len(old)} files of OpenLineage events that are older than {keep_days} days"
        yield Action(STEP, EVENTS, what, partial(_remove, window, old), len(old), sum(file.size for file in old))


def _remove(window: Window, old: list[LandedFile]) -> None:
    for file in old:
        files.delete(window.context.spark, file.uri)
