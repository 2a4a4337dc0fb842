"""The ledger: a row per table and run. It knows which hours changed, what they hold, and what was read for them."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.spark import files
from etl.engine.state import ledger_table
from etl.engine.state.shards import Shard, every
from etl.errors import LakeError
from etl.model.contract import InsertNew

ERROR, RECOVERED = "error", "recovered"
"""Verdicts of rows that publish nothing: the run of a table raised; a later run over its hours found nothing to do."""
OWED = "owed"  # as a fingerprint: a landed hour of a table that was made anew, to be read again while it has files
GONE = "gone"  # as a fingerprint: such an hour whose landed files are gone
REASON = "reason:"  # how many records were quarantined for it, among the metrics of quarantine
KEPT_FROM = "kept_from"  # among the metrics of a retention: hours before it (seconds since 1970) are gone for good
ERASED = "rows_erased"  # among the metrics of an erasure: in how many rows it found the viewer
SHARD, SHARDS = "shard", "shards"  # among the metrics: for which of how many shards a run made a table
SEEN = "seen_version"  # among the metrics: the version up to which all publishes of the table are recorded
CONTRADICTIONS = "contradictions"  # among the metrics: keys (and instants) with unequal records
CORRECTIONS = "corrections"  # among the metrics: published rows of a fact that a run replaced
DAMAGED = "damaged"  # among the touched: hours of the table itself that are not what was published, to be made again
CHECKED = "checked_version"  # among the metrics: commits up to this version were looked at by `feed-etl check --repair`
LOGIC = "logic_version"  # among the metrics of a publish that switches a table to other logic


@dataclass
class Entry:
    """One row of the ledger. `published_hours` is the state after publish of each table-hour that changed."""

    run_id: str
    table_name: str
    started_at: datetime
    range_from: datetime | None = None
    range_to: datetime | None = None
    seconds: float = 0.0
    verdict: str = "passed"
    reason: str = ""
    input_versions: dict[str, int] = field(default_factory=dict)
    output_version: int | None = None
    processed_hours: list[datetime] = field(default_factory=list)
    published_hours: list[dict[str, Any]] = field(default_factory=list)
    affected_hours: dict[str, list[datetime]] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    records_read: int = 0
    records_accepted: int = 0
    records_quarantined: int = 0
    rows_written: int = 0
    rules: int = 0
    failures: str = "[]"
    metrics: dict[str, float] = field(default_factory=dict)
    code_version: str = ""
    table_id: str | None = None  # Delta's id of the table; None in rows of earlier releases: the first that is known
    input_ids: dict[str, str] = field(default_factory=dict)
    landed: list[dict[str, Any]] = field(default_factory=list)  # what each landed hour had: see engine/completeness.py

    @property
    def shard(self) -> Shard | None:
        """Whose rows were made; None: everybody's."""
        return Shard(int(self.metrics[SHARD]), int(self.metrics[SHARDS])) if SHARD in self.metrics else None

    @property
    def seen(self) -> int:
        """The version up to which this row's run had recorded every publish of the table."""
        return int(self.metrics.get(SEEN, self.output_version or 0))

    @property
    def reasons(self) -> dict[str, int]:
        """Records put aside by reason (quarantine only); one with several reasons counts for each."""
        return {n.removeprefix(REASON): int(c) for n, c in self.metrics.items() if n.startswith(REASON)}


@cache
def code_version() -> str:
    """The package's version and, in a checkout, the commit."""
    where = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=where, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "installed"
    try:
        return f"{version('feed-etl')}+{commit}"
    except PackageNotFoundError:  # run from a tree that was never installed
        return f"0+{commit}"


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
                found = map(_from_row, ledger_table.rows(self.spark, self.uri))
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
        return [every(count) for count in sorted(counts)]

    def logic(self, table: str) -> int:
        """Version of a table's logic that the lake is made with: the one last switched to, 1 when none was.

        A table that was made anew keeps it: it is a decision on the name, not on its files.
        """
        pinned = [e.metrics[LOGIC] for e in self._of(table) if LOGIC in e.metrics]
        return int(pinned[-1]) if pinned else 1

    def kept_from(self, table: str) -> datetime | None:
        """The first hour that retention has left of a table; None when it took nothing yet.

        A table that was made anew keeps it: what was past its deadline does not come back.
        """
        floors = [e.metrics[KEPT_FROM] for e in self._of(table) if KEPT_FROM in e.metrics]
        return datetime.fromtimestamp(max(floors), UTC) if floors else None

    def state(self, table: str) -> dict[datetime, dict[str, Any]]:
        """Hour -> rows and checksum as last published."""
        return {h["hour"]: h for e in self.published(table) for h in e.published_hours}


_OPTIONAL = {f.name for f in fields(Entry) if f.default is None}


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


def _from_row(row: dict[str, Any]) -> Entry:
    return Entry(**{name: value for name, value in row.items() if value is not None or name in _OPTIONAL})
