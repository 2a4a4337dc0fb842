"""What a run tells its caller while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from etl.engine.state.entry import Entry
from etl.model.contract import Table


@dataclass(frozen=True)
class Progress:
    """Functions that a run calls, also from its threads.

    show: with "start" or "done" and the table. passed: with each table that passed, and its ledger row; None when the
    table was up to date.
    """

    show: Callable[[str, Table], None] = lambda _state, _table: None
    passed: Callable[[Table, Entry | None], None] = lambda _table, _entry: None


SILENT = Progress()
