"""An erasure from the list of the erased to the receipt. Killed anywhere, it is run again; see docs/retention.md."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from etl.backfill import driver as backfills
from etl.backfill import staging
from etl.backfill.register import Register
from etl.conf import Settings
from etl.contract import Event, Table
from etl.engine import files, pseudonyms
from etl.engine.runner import CONFLICT_ATTEMPTS
from etl.engine.suppression import Suppressed
from etl.engine.work import Work, recover
from etl.erasure import disk, landed, mails, register, rules, tables
from etl.erasure.tables import Erased
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
    receipt: dict[str, Any] = {"id": f"erasure-{work.run_id}", "reason": reason, "place": _place(settings)}
    receipt["landing"] = {e.name: _landed(work, t, e, suppressed) for t, e in landed.events()}
    done = _rows(work, personal, viewer, suppressed, receipt["id"])
    receipt["tables"] = {t.name: done.get(t.name, {}) | disk.purge(work, t, viewer) for t in personal}
    receipt["batches"] = disk.batches(work, viewer)
    receipt["staged"] = _staged(spark, lake, backfill)
    receipt["mails"] = mails.remove(settings, viewer)
    receipt["at"] = datetime.now(UTC).isoformat()
    receipt["complete"] = not any("files_waiting" in found for found in receipt["tables"].values())
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


def _landed(work: Work, table: Table, event: Event, suppressed: Suppressed) -> dict[str, int]:
    found = landed.clean(work, table, suppressed, landed_hours(work, event))
    return {"files": len(found), "records": sum(found.values())}


def _rows(
    work: Work, personal: list[Table], viewer: int, suppressed: Suppressed, receipt: str
) -> dict[str, dict[str, Any]]:
    """Passes over all tables until one finds nothing more."""
    done: dict[str, list[Erased]] = {}
    for _ in range(PASSES):
        found = [e for e in (_erase(work, t, viewer, suppressed, receipt) for t in personal) if e]
        for erased in found:
            done.setdefault(erased.table, []).append(erased)
        if not found:
            break
        work.ledger.refresh()
    return {name: found[0].as_json() | {"version": found[-1].version} for name, found in done.items()}


def _erase(work: Work, table: Table, viewer: int, suppressed: Suppressed, receipt: str) -> Erased | None:
    tries = Retrying(
        retry=retry_if_exception_type(ConflictError),
        wait=wait_random_exponential(multiplier=0.5, max=10),
        stop=stop_after_attempt(CONFLICT_ATTEMPTS),
        reraise=True,
    )
    try:
        return tries(tables.erase, work, table, viewer, suppressed, receipt)
    finally:
        work.ledger.flush()


def _staged(spark: SparkSession, lake: str, register_: Register) -> list[str]:
    """Rows that backfills which are over have left behind."""
    over = [b.id for b in register_.all()]
    left = [f.name for f in files.list_folders(spark, f"{lake}/_backfill") if f.name in over]
    for name in left:
        staging.discard(spark, lake, name)
    return left
