"""RunContext, the state that a run carries, and the steps that all jobs share: publish, ledger row."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.checksums import Content
from etl.engine.delta.listing import Listing
from etl.engine.delta.partitions import as_literal, as_partition, in_hours
from etl.engine.delta.transaction import Transaction
from etl.engine.people import pseudonyms
from etl.engine.spark import logs, session
from etl.engine.sql import views
from etl.engine.state import ledger_table
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.engine.state.order import Selection
from etl.engine.state.shards import Shard, person_column
from etl.model.contract import Table
from etl.telemetry import spans

log = logging.getLogger("feed_etl")


@dataclass
class RunContext:
    """The state of one run.

    listing: (table URI, version, partition predicate) -> the data files. interval: the landed hours [start, end) that
    the run reads. shard: the people whose rows the run makes; None means all people. selection: which of the due hours
    the run makes. each_alone: of a run with a backlog, whether it makes hours one by one; None without a backlog.
    """

    spark: SparkSession
    settings: Settings
    ledger: Ledger
    run_id: str
    listing: Callable[[str, int, str], Listing]
    interval: tuple[datetime, datetime] | None = None
    shard: Shard | None = None
    judges_history: bool = True  # whether rules about history judge, or only measure
    selection: Selection = field(default_factory=Selection)
    each_alone: bool | None = None
    seen: dict[str, int] = field(default_factory=dict)  # table -> newest version when `recover` ran; the ledger has it
    ids: dict[str, str] = field(default_factory=dict)  # table -> Delta's table id when `recover` ran

    def with_own_session(self) -> RunContext:
        """The same run in a new Spark session, for a thread: each session has its own views and commit metadata."""
        spark = self.spark.newSession()
        delta.activate(spark)
        logs.tag(spark, self.settings)
        return replace(self, spark=spark, seen={}, ids={})

    def tune_for(self, rows: int) -> None:
        """Configure this session for the number of input rows: few rows are processed in one task."""
        if rows < self.settings.few_rows:
            for name, value in {**session.FEW_ROWS, "spark.sql.shuffle.partitions": "1"}.items():
                self.spark.conf.set(name, value)

    def shard_of(self, table: Table) -> Shard | None:
        """The shard of a table that this run makes; None when it makes the rows of all people."""
        return self.shard if person_column(table) else None

    def shard_predicate(self, table: Table) -> str:
        """SQL predicate of the rows of this run's shard, for the table and for the inputs it is sharded by."""
        shard, person = self.shard, person_column(table)
        return shard.predicate(person) if shard and person else "true"

    def uri(self, table: Table) -> str:
        """URI of the table that this run writes."""
        return views.uri(self.settings, table)

    def published_uri(self, table: Table) -> str:
        """URI of the table that readers see. A backfill writes another one."""
        return self.uri(table)

    def read(self, table: Table, version: int | None = None, partitions: str = "true") -> DataFrame:
        """Rows of a version in some partitions; of the newest version by default.

        `listing` reads the Delta log once per run, however many tables and plans read these files.
        """
        with spans.span("read", input=table.name):
            newest = delta.current_version(self.spark, self.uri(table)) if version is None else version
            return self.listing(self.uri(table), newest, partitions).frame(self.spark)

    def transaction(self, table: Table) -> Transaction:
        """A transaction that begins at the version that `recover` saw.

        The job plans from the ledger as of that version. So a publish of another run since then is a conflict.
        """
        return Transaction(self.spark, self.uri(table), self.seen.get(table.name))

    def transform(self, table: Table) -> Callable[..., DataFrame]:
        """The transform that this lake uses for a table: version 1 until a backfill switches to another version."""
        logic = self.logic(table, self.ledger.logic(table.name))
        return spans.span("transform")(
            lambda *inputs, **named: self.without_removed_hours(table, logic(*inputs, **named))
        )

    def logic(self, table: Table, version: int) -> Callable[..., DataFrame]:
        """A version of a table's transform. Where a pseudonym key is set, it gives pseudonyms in place of ids."""
        sketches = pseudonyms.sketch_id_kind_of(self.spark, self.published_uri(table)) if table.has_sketch else ""
        return pseudonyms.pseudonymize(table, catalog.logic(table.name, version), sketches)

    def without_removed_hours(self, table: Table, rows: DataFrame) -> DataFrame:
        """Rows of the hours that retention keeps: old landed records that are read again do not come back.

        Rows outside min_day … max_day are left out, too: bronze of an earlier release may hold a day of year 9999.
        """
        if not table.hour:
            return rows
        low, high = self.settings.min_day, self.settings.max_day
        possible = rows.where(F.col(table.hour).between(F.lit(low), F.lit(high)))
        kept_from = self.ledger.kept_from(table.name)
        return possible if kept_from is None else possible.where(f"{table.hour} >= {as_literal(kept_from, table)}")

    def begin(self, table: Table) -> Entry:
        """A new ledger row for a table in this run; `record` writes it."""
        start, end = self.interval or (None, None)
        entry = Entry(self.run_id, table.name, self.ledger.now(), start, end)
        entry.table_id = self.ids.get(table.name) or delta.table_id(self.spark, self.uri(table))
        if table.name in self.seen:
            entry.seen_version = self.seen[table.name]
        if shard := self.shard_of(table):
            entry.shard_number, entry.shard_count = shard.number, shard.count
        return entry


def record(context: RunContext, entry: Entry, verdict: str = "passed", reason: str = "") -> Entry:
    """Complete the ledger row of a table and append it to the ledger."""
    entry.verdict, entry.reason = verdict, reason
    entry.seconds = max(0.0, round((datetime.now(UTC) - entry.started_at).total_seconds(), 3))
    context.ledger.append(entry)
    return entry


def metadata(entry: Entry) -> str:
    """The ledger row as JSON for the commit metadata: `recover` reads it when a run was killed after its commit."""
    return json.dumps(ledger_table.as_row(asdict(entry)), default=lambda v: {"t": v.isoformat()})


def keep_changed(
    context: RunContext, table: Table, txn: Transaction, found: dict[datetime, Content], hours: list[datetime]
) -> dict[datetime, Content]:
    """Drop the staged hours that equal the published ones from the transaction; returns the content of the others.

    found: hour -> content of the staged rows.
    """
    states = context.ledger.state(table.name)
    recorded = {hour: Content.of(states[hour]) for hour in hours if hour in states}
    published = checksums.canonical(recorded, table, txn.read)
    after = {hour: found.get(hour, Content()) for hour in hours}
    changed = {hour: content for hour, content in after.items() if content != published.get(hour, Content())}
    txn.keep_partitions({as_partition(hour, table) for hour in changed}, table.hour)
    txn.remove(in_hours(table, changed))
    if unchanged := after.keys() - changed.keys():
        txn.watch(in_hours(table, unchanged))
    return changed


@spans.span("publish")
def publish(
    context: RunContext, table: Table, txn: Transaction, entry: Entry, contents: dict[datetime, Content]
) -> None:
    """Commit the staged files. A transaction without changes makes no commit.

    contents: each hour that changes -> its rows and checksum after the commit. Raises ConflictError when another run
    changed what this transaction read.
    """
    entry.metrics["stage_seconds"] = round(txn.stage_seconds, 3)
    entry.published_hours = [content.state(hour) for hour, content in sorted(contents.items())]
    if txn.is_empty:
        txn.raise_if_changed()
        return
    if table.hour:
        entry.affected_hours.setdefault(table.hour, sorted(contents))
    if rows := sorted(txn.task_rows.values()):
        entry.metrics |= {"tasks": float(len(rows)), "skew": rows[-1] * len(rows) / max(1, sum(rows))}
    started = time.monotonic()
    entry.output_version = txn.commit(metadata(entry))
    entry.metrics["publish_seconds"] = round(time.monotonic() - started, 3)
