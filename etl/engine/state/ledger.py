"""The ledger: a row per table and run. It knows which hours changed, what they hold, and what was read for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.engine.state import ledger_table, restores, results_table
from etl.engine.state.entry import DAMAGED, PASSED, Entry, code_version, from_row
from etl.engine.state.shards import Shard, all_shards
from etl.errors import LakeError, first_line
from etl.model.contract import InsertNew

log = logging.getLogger("feed_etl")
Results = Callable[[list[Entry]], list[dict[str, Any]]]
"""Ledger rows -> the rows of `dq_result` that they report."""


class Ledger:
    """The ledger of one lake. It keeps the rows that it read in memory during a run; threads may share it.

    With `results`, new rows also give rows of `dq_result`, which are written right before them.
    """

    def __init__(self, spark: SparkSession, lake: str, results: Results | None = None) -> None:
        self.spark, self.lake, self.uri = spark, lake, f"{lake}/_ledger"
        self._results = results
        ledger_table.create(spark, self.uri)
        self.restored = restores.last(spark, self.uri)  # the id of the last restore
        self.lock = threading.RLock()  # a run makes tables in parallel
        self._entries: list[Entry] | None = None
        self._by_table: dict[str, list[Entry]] = {}
        self._ids: dict[str, tuple[str, str]] = {}  # table -> (first known table id, latest table id)
        self._unwritten: list[Entry] = []
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._is_upgraded = False

    @classmethod
    def existing(cls, spark: SparkSession, lake: str) -> Ledger:
        """The ledger of an existing lake, without creating one. Raises LakeError when there is none."""
        refuse_lost_ledger(spark, lake)
        if not delta.is_table(spark, f"{lake}/_ledger"):
            raise LakeError(f"There is no lake at {lake} yet. Run `feed-etl run` first.")
        return cls(spark, lake)

    @property
    def entries(self) -> list[Entry]:
        """All rows, oldest first."""
        return list(self._loaded())

    def _loaded(self) -> list[Entry]:
        """All rows, read from disk once. A row that two runs recovered counts once.

        Raises LakeError when the lake was restored since this ledger was opened.
        """
        with self.lock:
            if self._entries is None:
                restores.refuse_since(self.spark, self.uri, self.restored)
                found = map(from_row, ledger_table.rows(self.spark, self.uri))
                distinct = {(e.run_id, e.table_name, e.started_at): e for e in found}
                self._entries, self._by_table, self._ids = [], {}, {}
                for entry in [*distinct.values(), *self._unwritten]:
                    self._keep(entry)
            return self._entries

    def _keep(self, entry: Entry) -> None:
        """Add a row to those in memory, and index it by table when it passed."""
        assert self._entries is not None
        self._entries.append(entry)
        self._latest = max(self._latest, entry.started_at)
        if entry.verdict == PASSED:
            self._by_table.setdefault(entry.table_name, []).append(entry)
            if entry.table_id:
                first, _ = self._ids.get(entry.table_name, (entry.table_id, ""))
                self._ids[entry.table_name] = first, entry.table_id

    def now(self) -> datetime:
        """The current time, but later than every row recorded or begun, so that a clock set back changes no order."""
        with self.lock:
            self._loaded()
            self._latest = max(datetime.now(UTC), self._latest + timedelta(microseconds=1))
            return self._latest

    def refresh(self) -> None:
        """Forget the rows in memory, so that the next access reads the rows of other runs, too."""
        with self.lock:
            self._entries = None

    def upgrade(self) -> None:
        """Add the columns that a ledger of an earlier release lacks."""
        with self.lock:
            if not self._is_upgraded:
                ledger_table.upgrade(self.spark, self.uri)
                self._is_upgraded = True

    def append(self, entry: Entry) -> None:
        """Record what a run did to a table. `flush` writes the row to disk.

        All tables of a run share one commit of the ledger. When the run is killed before, `recover` takes the rows from
        the commits of the tables. A row that two runs recover counts once.
        """
        entry.code_version = code_version()
        with self.lock:
            self._loaded()
            self._keep(entry)
            self._unwritten.append(entry)

    def flush(self) -> None:
        """Write the appended rows, and compact the ledger when it has many files. Other threads wait.

        Raises LakeError when the ledger cannot be written, or when the lake was restored meanwhile; the rows then wait
        for the next flush.
        """
        with self.lock:
            if not self._unwritten:
                return
            self.upgrade()
            new, self._unwritten = self._unwritten, []
            self._append_results(new)
            try:
                ledger_table.append(self.spark, self.uri, [asdict(e) for e in new], new[-1].run_id, self.restored)
            except BaseException:
                self._unwritten = new
                raise
            ledger_table.compact(self.spark, self.uri)

    def _append_results(self, new: list[Entry]) -> None:
        """Report rows in `dq_result`. Others read it, and no run: what is wrong with it must not stop the ledger."""
        if self._results is None:
            return
        try:
            results_table.append(self.spark, self.lake, self._results(new), new[-1].run_id)
        except Exception as error:
            log.warning(
                "dq_result lacks the results of run %s, because it cannot be written: %s. Everything else is complete. "
                "Repair or remove %s/%s.", new[-1].run_id, first_line(error), self.lake, results_table.FOLDER,
            )  # fmt: skip

    def published(self, table: str) -> list[Entry]:
        """The passed rows of a table, oldest first. Rows from before the table was recreated are left out."""
        return [e for e in self._passed(table) if self.is_current(table, e.table_id)]

    def before_recreation(self, table: str) -> list[Entry]:
        """The passed rows of earlier tables with the same name, oldest first."""
        return [e for e in self._passed(table) if not self.is_current(table, e.table_id)]

    def table_id(self, table: str) -> str | None:
        """Delta's table id as last recorded; None when no row has one."""
        self._loaded()
        return self._ids[table][1] if table in self._ids else None

    def is_current(self, table: str, table_id: str | None) -> bool:
        """Whether a table id is the latest one of a table. None, in rows of earlier releases, is the first known id."""
        self._loaded()
        if table not in self._ids:
            return True
        first, latest = self._ids[table]
        return (table_id or first) == latest

    def _passed(self, table: str) -> list[Entry]:
        """The passed rows of a table, also those from before it was recreated."""
        self._loaded()
        return list(self._by_table.get(table, []))

    def processed_before(self, table: str) -> set[datetime]:
        """The hours that runs made before the table was recreated."""
        return {hour for e in self.before_recreation(table) for hour in e.processed_hours}

    def damaged(self, table: str) -> set[datetime]:
        """Hours that differ from what was published, as `feed-etl check --repair` found, and are not repaired yet.

        A run repairs them, except for facts: a run only adds rows to a fact, so a backfill repairs it. For dimensions
        these are landed hours.
        """
        found: set[datetime] = set()
        for e in self.published(table):
            found |= set(e.affected_hours.get(DAMAGED, []))
            if DAMAGED not in e.affected_hours:
                rebuilt = {s["hour"] for s in e.published_hours} if e.run_id.startswith("backfill-") else set()
                found -= rebuilt | (set() if _is_inserted(table) else set(e.processed_hours))
        return found

    def fingerprints(self, table: str) -> dict[str, str]:
        """Landed hour -> fingerprint of the files that its published rows were made from."""
        return {hour: found for e in self.published(table) for hour, found in e.fingerprints.items()}

    def consumed(self, table: str, shard: Shard | None = None) -> dict[datetime, dict[str, int]]:
        """Output hour (day) -> input table -> version of the input that was last read for it.

        It counts the runs for all people, and with a shard also the runs of this shard.
        """
        versions: dict[datetime, dict[str, int]] = {}
        for e in self.published(table):
            if e.shard not in (None, shard):
                continue
            read = {n: v for n, v in e.input_versions.items() if self.is_current(n, e.input_ids.get(n))}
            for hour in e.processed_hours:
                versions.setdefault(hour, {}).update(read)
        return versions

    def shards(self, table: str) -> list[list[Shard]]:
        """For each number of shards that runs have used for a table, all its shards."""
        counts = {e.shard.count for e in self.published(table) if e.shard}
        return [all_shards(count) for count in sorted(counts)]

    def logic(self, table: str) -> int:
        """The version of a table's logic that this lake uses: the last one that a backfill switched to, else 1.

        A recreated table keeps it, because the decision belongs to the name of the table and not to its files.
        """
        switched = [e.logic_version for e in self._passed(table) if e.logic_version is not None]
        return switched[-1] if switched else 1

    def kept_from(self, table: str) -> datetime | None:
        """The first hour that retention has kept of a table; None when it has removed nothing yet.

        A recreated table keeps it, so that expired rows do not come back.
        """
        return max((e.kept_from for e in self._passed(table) if e.kept_from), default=None)

    def state(self, table: str) -> dict[datetime, dict[str, Any]]:
        """Hour (day) -> hour, row_count and checksum as last published."""
        return {h["hour"]: h for e in self.published(table) for h in e.published_hours}


def _is_inserted(table: str) -> bool:
    """Whether the write mode of a table is InsertNew."""
    return table in catalog.entries() and isinstance(catalog.entry(table).table.write, InsertNew)


def refuse_lost_ledger(spark: SparkSession, lake: str) -> None:
    """Raises LakeError when a lake has published tables but no ledger.

    With a new, empty ledger a run would make everything again, and would empty the hours whose landed files retention
    has removed.
    """
    if delta.is_table(spark, f"{lake}/_ledger"):
        return
    published = [t.name for t in catalog.tables() if _has_commits(spark, f"{lake}/{t.path}")]
    if published:
        raise LakeError(
            f"The ledger {lake}/_ledger is lost, but there are {len(published)} tables, {published[0]} among them. "
            "Nothing was changed. Run `feed-etl check --repair`, which rebuilds the ledger from the tables."
        )


def _has_commits(spark: SparkSession, uri: str) -> bool:
    """Whether a table has a commit after the one that created it, judged by the names of its log files alone."""
    return any(f.name[:20].isdecimal() and int(f.name[:20]) for f in files.list_files(spark, f"{uri}/_delta_log"))
