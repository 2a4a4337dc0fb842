"""The ledger: a row per table and run. It knows which hours changed, what they hold, and what was read for them."""

from __future__ import annotations

import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.engine.state import ledger_table
from etl.engine.state.entry import DAMAGED, Entry, code_version, from_row
from etl.engine.state.shards import Shard, all_shards
from etl.errors import LakeError
from etl.model.contract import InsertNew


class Ledger:
    """Reads and appends the ledger of one lake; keeps what it read in memory during a run."""

    def __init__(self, spark: SparkSession, lake: str) -> None:
        self.spark, self.uri = spark, f"{lake}/_ledger"
        ledger_table.create(spark, self.uri)
        self.lock = threading.RLock()  # tables of a run are made side by side
        self._entries: list[Entry] | None = None
        self._by_table: dict[str, list[Entry]] = {}
        self._ids: dict[str, tuple[str, str]] = {}  # table -> the first id of it that is known, and the newest
        self._unwritten: list[Entry] = []
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._is_upgraded = False

    @classmethod
    def existing(cls, spark: SparkSession, lake: str) -> Ledger:
        """To read the ledger of a lake only. Raises LakeError when there is none."""
        refuse_lost_ledger(spark, lake)
        if not delta.is_table(spark, f"{lake}/_ledger"):
            raise LakeError(f"There is no lake at {lake} yet. Run `feed-etl run` first.")
        return cls(spark, lake)

    @property
    def entries(self) -> list[Entry]:
        """Every row, oldest first."""
        return list(self._loaded())

    def _loaded(self) -> list[Entry]:
        """The rows, read once; those of a table that passed are kept by its name as well."""
        with self.lock:
            if self._entries is None:
                found = map(from_row, ledger_table.rows(self.spark, self.uri))
                once = {(e.run_id, e.table_name, e.started_at): e for e in found}
                self._entries, self._by_table, self._ids = [], {}, {}
                for entry in [*once.values(), *self._unwritten]:
                    self._keep(entry)
            return self._entries

    def _keep(self, entry: Entry) -> None:
        assert self._entries is not None
        self._entries.append(entry)
        self._latest = max(self._latest, entry.started_at)
        if entry.verdict == "passed":
            self._by_table.setdefault(entry.table_name, []).append(entry)
            if entry.table_id:
                first, _ = self._ids.get(entry.table_name, (entry.table_id, ""))
                self._ids[entry.table_name] = first, entry.table_id

    def now(self) -> datetime:
        """The time, but later than all that is recorded or begun: what comes later counts, whatever clocks say."""
        with self.lock:
            self._loaded()
            self._latest = max(datetime.now(UTC), self._latest + timedelta(microseconds=1))
            return self._latest

    def refresh(self) -> None:
        """Forget what was read, so that rows of other runs are seen."""
        with self.lock:
            self._entries = None

    def upgrade(self) -> None:
        """Add the columns that a ledger of an earlier release lacks."""
        with self.lock:
            if not self._is_upgraded:
                ledger_table.upgrade(self.spark, self.uri)
                self._is_upgraded = True

    def append(self, entry: Entry) -> None:
        """Record what a run did to a table; on disk after `flush`.

        One commit for all tables of a run: what a kill loses here is recovered from the tables' own commits, and
        a row recovered by another run meanwhile counts once.
        """
        entry.code_version = code_version()
        with self.lock:
            self._loaded()
            self._keep(entry)
            self._unwritten.append(entry)

    def flush(self) -> None:
        """Write what was appended; what other threads append meanwhile waits. Raises LakeError when it cannot be.

        A ledger of many small files is written as one file then.
        """
        with self.lock:
            if not self._unwritten:
                return
            self.upgrade()
            new, self._unwritten = self._unwritten, []
            try:
                ledger_table.append(self.spark, self.uri, [asdict(e) for e in new], new[-1].run_id)
            except LakeError:
                self._unwritten = new
                raise
            ledger_table.compact(self.spark, self.uri)

    def published(self, table: str) -> list[Entry]:
        """Runs of a table that passed, oldest first: those of the table that is there now, not of one before it."""
        return [e for e in self._of(table) if self.is_there(table, e.table_id)]

    def earlier(self, table: str) -> list[Entry]:
        """Runs that passed of tables that were there before under the same name, oldest first."""
        return [e for e in self._of(table) if not self.is_there(table, e.table_id)]

    def table_id(self, table: str) -> str | None:
        """Delta's id of a table as last recorded; None when no row says one."""
        self._loaded()
        return self._ids[table][1] if table in self._ids else None

    def is_there(self, source: str, table_id: str | None) -> bool:
        """Whether a table known by an id (None: from a row of an earlier release) is the one that is there now."""
        self._loaded()
        if source not in self._ids:
            return True
        first, newest = self._ids[source]
        return (table_id or first) == newest

    def _of(self, table: str) -> list[Entry]:
        """Rows of a table that passed, of whatever table had the name."""
        self._loaded()
        return list(self._by_table.get(table, []))

    def processed_before(self, table: str) -> set[datetime]:
        """Hours that an earlier table of the name was made for."""
        return {hour for e in self.earlier(table) for hour in e.processed_hours}

    def damaged(self, table: str) -> set[datetime]:
        """Hours that `feed-etl check --repair` found to be other than published, and nobody has made again since.

        Facts only get what is new by a run: a backfill makes their hours again. Of dimensions these are landed hours.
        """
        found: set[datetime] = set()
        for e in self.published(table):
            found |= set(e.affected_hours.get(DAMAGED, []))
            if DAMAGED not in e.affected_hours:
                made = {s["hour"] for s in e.published_hours} if e.run_id.startswith("backfill-") else set()
                found -= made | (set() if _inserts(table) else set(e.processed_hours))
        return found

    def fingerprints(self, table: str) -> dict[str, str]:
        """Landed hour -> fingerprint of the files its published rows came from."""
        return {hour: mark for e in self.published(table) for hour, mark in e.fingerprints.items()}

    def consumed(self, table: str, shard: Shard | None = None) -> dict[datetime, dict[str, int]]:
        """Output hour (day) -> input table -> version of the input last read for it, for everybody or for a shard."""
        state: dict[datetime, dict[str, int]] = {}
        for e in self.published(table):
            if e.shard not in (None, shard):
                continue
            read = {n: v for n, v in e.input_versions.items() if self.is_there(n, e.input_ids.get(n))}
            for hour in e.processed_hours:
                state.setdefault(hour, {}).update(read)
        return state

    def shards(self, table: str) -> list[list[Shard]]:
        """The ways a table was cut by runs of it."""
        counts = {e.shard.count for e in self.published(table) if e.shard}
        return [all_shards(count) for count in sorted(counts)]

    def logic(self, table: str) -> int:
        """Version of a table's logic that the lake is made with: the one last switched to, 1 when none was.

        A table that was made anew keeps it: it is a decision on the name, not on its files.
        """
        pinned = [e.logic_version for e in self._of(table) if e.logic_version is not None]
        return pinned[-1] if pinned else 1

    def kept_from(self, table: str) -> datetime | None:
        """The first hour that retention has left of a table; None when it took nothing yet.

        A table that was made anew keeps it: what was past its deadline does not come back.
        """
        return max((e.kept_from for e in self._of(table) if e.kept_from), default=None)

    def state(self, table: str) -> dict[datetime, dict[str, Any]]:
        """Hour -> rows and checksum as last published."""
        return {h["hour"]: h for e in self.published(table) for h in e.published_hours}


def _inserts(table: str) -> bool:
    return table in catalog.entries() and isinstance(catalog.entry(table).table.write, InsertNew)


def refuse_lost_ledger(spark: SparkSession, lake: str) -> None:
    """Raises LakeError when a lake has tables with rows but no ledger: an empty one would let all be made again.

    Landed files that retention has removed would then empty the hours that were made from them.
    """
    if delta.is_table(spark, f"{lake}/_ledger"):
        return
    there = [t.name for t in catalog.tables() if _has_commits(spark, f"{lake}/{t.layer.name.lower()}/{t.name}")]
    if there:
        raise LakeError(
            f"The ledger {lake}/_ledger is lost, but there are {len(there)} tables, {there[0]} among them. Nothing was "
            "changed. Run `feed-etl check --repair`, which makes it again from the tables."
        )


def _has_commits(spark: SparkSession, uri: str) -> bool:
    """Whether a table was ever published to; one whose log cannot be read counts as well."""
    return any(f.name[:20].isdecimal() and int(f.name[:20]) for f in files.list_files(spark, f"{uri}/_delta_log"))
