"""What a run tells its caller while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.engine.state.entry import Entry
from etl.errors import FeedEtlError
from etl.model.contract import Table

if TYPE_CHECKING:
    from etl.engine.jobs.run_context import RunContext


@dataclass(frozen=True)
class Progress:
    """Functions that a run calls, also from its threads.

    show: with "start" or "done" and the table. passed: with each table that passed, and its ledger rows; none when the
    table was up to date. started and ended: with the context of each table's job; `ended` also with the newest ledger
    row and the error, when there are any.
    """

    show: Callable[[str, Table], None] = lambda _state, _table: None
    passed: Callable[[Table, list[Entry]], None] = lambda _table, _entries: None
    started: Callable[[RunContext, Table], None] = lambda _context, _table: None
    ended: Callable[[RunContext, Table, Entry | None, FeedEtlError | None], None] = lambda _c, _t, _entry, _error: None


SILENT = Progress()
