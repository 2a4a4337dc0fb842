"""A ledger of rows that are known already. It needs no Spark: it reads and writes nothing."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger


class InMemoryLedger(Ledger):
    """A ledger in memory, with rows given oldest first. Only its look-ups can be used."""

    def __init__(self, *entries: Entry) -> None:
        self.lock = threading.RLock()
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._entries, self._by_table, self._ids, self._unwritten = [], {}, {}, []
        for entry in entries:
            self._keep(entry)
