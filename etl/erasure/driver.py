"""An erasure from the list of the erased to the receipt. Killed anywhere, it is run again; see docs/retention.md."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from etl.backfill import driver as backfills
from etl.backfill import staging
from etl.backfill.register import Register
from etl.conf import Settings
from etl.contract import Event, Table
from etl.engine import delta, files, pseudonyms
from etl.engine.attempts import attempts
from etl.engine.suppression import Suppressed
from etl.engine.work import Work, recover
from etl.erasure import disk, landed, mails, register, rules, tables
from etl.errors import ConfigError, ConflictError
from etl.maintenance import window
from etl.maintenance.landing import landed_hours

PASSES = 5  # a run may publish what it read before the viewer was on the list; then there is more to do


def erase(spark: SparkSession, settings: Settings, viewer: int, reason: str) -> dict[str, Any]:
    """Erase a viewer; returns the receipt, without the id. Every refusal comes before anything is changed.

    Raises ConfigError when there is no lake or the reason holds the id, ConflictError while a backfill is in flight.
    """
    if str(viewer) in reason:
        raise ConfigError("--reason is kept for good and must not hold the id; give a ticket or an article.")
    work, backfill = backfills.open_lake(spark, settings)
    _refuse_in_flight(backfill)
    personal = [t for t in window.tables(work) if rules.rule(t)]
    for table in personal:
        recover(work, table)
    lake = files.absolute(settings.lake)
    for name in pseudonyms.names(viewer):  # by which the sweep knows rows of runs under way
        suppressed = register.suppress(spark, lake, name)
    mark = register.mark(suppressed, viewer)
    receipt: dict[str, Any] = {"id": f"erasure-{work.run_id}", "reason": reason, "place": _place(settings)}
    found = {e.name: _landed(work, t, e, suppressed) for t, e in landed.events()}
    receipt["landing"] = {name: f.as_json() for name, f in found.items()}
    unread = sorted(name for f in found.values() for name in f.unread)
    receipt["unread"] = [name.replace(str(viewer), "…") for name in unread]
    _rows(work, personal, viewer, suppressed, mark)
    receipt["tables"] = {t.name: tables.done(work, t, mark) | disk.purge(work, t, viewer) for t in personal}
    receipt["batches"] = disk.batches(work, suppressed)
    receipt["staged"] = _staged(spark, lake, backfill)
    receipt["mails"] = mails.remove(settings, viewer)
    receipt["at"] = datetime.now(UTC).isoformat()
    waiting = any("files_waiting" in done for done in receipt["tables"].values())
    receipt["complete"] = not waiting and not unread
    register.write(spark, lake, receipt)
    return receipt


def _place(settings: Settings) -> dict[str, str]:
    return {"lake": files.absolute(settings.lake), "landing": files.absolute(settings.landing)}


def _refuse_in_flight(register_: Register) -> None:
    going = [b.id for b in register_.all() if b.in_flight]
    if going:
        raise ConflictError(
            f"Backfill {going[0]} is in flight and has rows staged. Let it end, or `feed-etl backfill cancel` it first."
        )


def _landed(work: Work, table: Table, event: Event, suppressed: Suppressed) -> landed.Found:
    hours = landed_hours(work, event)
    found = landed.clean(work, table, suppressed, hours)
    found.unread += landed.unlisted(work, event, hours)
    return found


def _rows(work: Work, personal: list[Table], viewer: int, suppressed: Suppressed, mark: str) -> None:
    """Passes over all tables until one finds nothing more."""
    for _ in range(PASSES):
        if not any([_erase(work, table, viewer, suppressed, mark) for table in personal]):
            break
        work.ledger.refresh()


def _erase(work: Work, table: Table, viewer: int, suppressed: Suppressed, mark: str) -> bool:
    """Whether there was anything; read afresh when a run got in between."""
    try:
        for attempt in attempts():
            with attempt, delta.conflicts(table.name):
                return tables.erase(work, table, viewer, suppressed, mark)
    finally:
        work.ledger.flush()
    return False


def _staged(spark: SparkSession, lake: str, register_: Register) -> list[str]:
    """Rows that backfills which are over have left behind."""
    over = [b.id for b in register_.all()]
    left = [f.name for f in files.list_folders(spark, f"{lake}/_backfill") if f.name in over]
    for name in left:
        staging.discard(spark, lake, name)
    return left
