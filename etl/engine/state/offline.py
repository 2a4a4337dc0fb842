"""Reads the ledger of a lake without Spark."""

from __future__ import annotations

from pathlib import Path

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import offline
from etl.engine.spark.files import absolute, local_or_none
from etl.engine.state import ledger_table
from etl.engine.state.entry import from_row
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.errors import LakeError


def ledger(settings: Settings) -> InMemoryLedger:
    """The ledger of a lake. Raises LakeError when there is no lake, or when its ledger is lost or cannot be read."""
    if offline.open_table(settings, "_ledger") is None:
        raise LakeError(_why_missing(settings))
    found = [from_row(ledger_table.as_entry(row)) for row in offline.rows(settings, "_ledger")]
    distinct = {(e.run_id, e.table_name, e.started_at): e for e in found}  # a row that two runs recovered counts once
    return InMemoryLedger(*sorted(distinct.values(), key=lambda e: e.started_at))


def _why_missing(settings: Settings) -> str:
    """Why a lake has no ledger, and what to do, in one line."""
    lake, folder = absolute(settings.lake), local_or_none(settings.lake)
    if folder and not folder.exists():
        return f"There is no lake at {lake} yet. Run `feed-etl run` first, or set --lake."
    if folder and not folder.is_dir():
        return f"There is no lake at {lake}: it is a file. Set --lake."
    if folder and not _can_list(folder):
        return f"The lake {lake} cannot be read by this user. Give it the right to read, or set --lake."
    tables = [t.name for t in catalog.tables() if offline.open_table(settings, t.path)]
    if tables:
        return (
            f"The ledger {lake}/_ledger is lost, but there are {len(tables)} tables, {tables[0]} among them. "
            "Run `feed-etl check --repair`, which rebuilds the ledger from the tables."
        )
    return f"There is no lake at {lake} yet: no run has written to it. Run `feed-etl run` first, or set --lake."


def _can_list(folder: Path) -> bool:
    try:
        next(folder.iterdir(), None)
    except OSError:
        return False
    return True
