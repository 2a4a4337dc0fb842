"""What every job of a run shares: where it is, what it may touch, and how a batch gets through its gate."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.checksums import Content
from etl.engine.delta.tables import Listing
from etl.engine.delta.transaction import Transaction
from etl.engine.people import pseudonyms
from etl.engine.quality import gate, suites
from etl.engine.spark import session
from etl.engine.spark.files import absolute
from etl.engine.sql import views
from etl.engine.state import ledger_table
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.engine.state.shards import Shard, by_person
from etl.errors import ContractViolation, GateFailed
from etl.model.contract import Table

log = logging.getLogger("feed_etl")


@dataclass
class RunContext:
    """One run: its session, settings, ledger, id, the range of landed hours it may read and whose rows it makes."""

    spark: SparkSession
    settings: Settings
    ledger: Ledger
    run_id: str
    listing: Callable[[str, int, str], Listing]
    interval: tuple[datetime, datetime] | None = None
    shard: Shard | None = None
    seen: dict[str, int] = field(default_factory=dict)  # table -> newest version that the ledger was made to know
    ids: dict[str, str] = field(default_factory=dict)  # table -> Delta's id of it, as `recover` saw it

    def apart(self) -> RunContext:
        """The same run in a session of its own, for a thread: views and commit messages are a session's."""
        spark = self.spark.newSession()
        delta.activate(spark)
        return replace(self, spark=spark, seen={}, ids={})

    def tune_for(self, rows: int) -> None:
        """Set this table's own session up for about as many rows as it is made of."""
        if rows < self.settings.few_rows:
            for name, value in {**session.FEW_ROWS, "spark.sql.shuffle.partitions": "1"}.items():
                self.spark.conf.set(name, value)

    def shard_of(self, table: Table) -> Shard | None:
        """Whose rows of a table this run makes; None: everybody's."""
        return self.shard if by_person(table) else None

    def mine(self, table: Table) -> str:
        """Predicate of the rows that this run makes of a table, in it and in the inputs it is cut by."""
        shard, person = self.shard, by_person(table)
        return shard.predicate(person) if shard and person else "true"

    def uri(self, table: Table) -> str:
        """Where a table is."""
        return views.uri(self.settings, table)

    def published_uri(self, table: Table) -> str:
        """Where the table is that readers see."""
        return self.uri(table)

    def read(self, table: Table, version: int | None = None, partitions: str = "true") -> DataFrame:
        """Rows of a version (the newest, when none is given) in some partitions.

        The log is asked once a run which files these are, however many tables and plans read them.
        """
        newest = delta.current_version(self.spark, self.uri(table)) if version is None else version
        return self.listing(self.uri(table), newest, partitions).frame(self.spark)

    def transaction(self, table: Table) -> Transaction:
        """A transaction on the version that `recover` saw, since when all this job knows is of then.

        What another run has published meanwhile is a conflict, and not half of what this one goes by.
        """
        return Transaction(self.spark, self.uri(table), self.seen.get(table.name))

    def transform(self, table: Table) -> Callable[..., DataFrame]:
        """The logic this lake makes a table with: version 1 until a backfill has switched to another."""
        logic = self.logic(table, self.ledger.logic(table.name))
        return lambda *inputs, **named: self.kept(table, logic(*inputs, **named))

    def logic(self, table: Table, version: int) -> Callable[..., DataFrame]:
        """A version of a table's logic as this place makes it: with a key, viewers by their pseudonyms."""
        sketches = pseudonyms.sketch_id_kind_of(self.spark, self.published_uri(table)) if table.has_sketch else ""
        return pseudonyms.pseudonymize(table, catalog.logic(table.name, version), sketches)

    def kept(self, table: Table, rows: DataFrame) -> DataFrame:
        """Rows but those of hours that retention took: what landed long ago and is read again stays gone.

        Nor those of hours that no release accepts any more: bronze of an earlier one may hold a day of year 9999.
        """
        if not table.hour:
            return rows
        low, high = self.settings.min_day, self.settings.max_day
        possible = rows.where(F.col(table.hour).between(F.lit(low), F.lit(high)))
        floor = self.ledger.kept_from(table.name)
        return possible if floor is None else possible.where(f"{table.hour} >= {as_literal(floor, table)}")

    def begin(self, table: Table) -> Entry:
        """The ledger row of a table in this run, not yet written."""
        start, end = self.interval or (None, None)
        entry = Entry(self.run_id, table.name, self.ledger.now(), start, end)
        entry.table_id = self.ids.get(table.name) or delta.table_id(self.spark, self.uri(table))
        if table.name in self.seen:
            entry.seen_version = self.seen[table.name]
        if shard := self.shard_of(table):
            entry.shard_number, entry.shard_count = shard.number, shard.count
        return entry


def as_literal(hour: datetime, table: Table) -> str:
    """A partition value as SQL."""
    return f"DATE'{hour:%Y-%m-%d}'" if table.daily else f"TIMESTAMP'{hour:%Y-%m-%d %H:%M:%S}+00:00'"


def in_hours(table: Table, hours: Iterable[datetime]) -> str:
    """A partition predicate with literal values, so that runs of other hours are disjoint."""
    listed = ", ".join(as_literal(hour, table) for hour in hours)
    return f"{table.hour} IN ({listed})" if listed else "false"


def as_partition(hour: datetime, table: Table) -> str:
    """A partition value as Delta's log writes it."""
    return f"{hour:%Y-%m-%d}" if table.daily else f"{hour:%Y-%m-%dT%H:%M:%S.000000Z}"


def judged(context: RunContext, table: Table, batch: DataFrame) -> gate.Verdict:
    """What the gate says of a batch; references are looked up in the published dimensions."""
    for ref in table.references:
        context.read(ref.to).createOrReplaceTempView(ref.to.name)
    try:
        return gate.judge(batch, suites.suite(table))
    except ContractViolation as error:
        return gate.Verdict(0, [gate.Failure("suite", "critical", "No gate, no publish.", None, None, [], str(error))])


def enforce(context: RunContext, table: Table, batch: DataFrame, entry: Entry, verdict: gate.Verdict) -> None:
    """Note a verdict. Raises GateFailed, after keeping the batch and the verdict, when a critical rule failed."""
    entry.rules, entry.failures = verdict.rules, verdict.as_json()
    entry.metrics["gate_seconds"] = round(verdict.seconds, 3)
    for failure in verdict.failures:
        log.warning("%s: %s %s", table.name, failure.severity, failure)
    if not verdict.passed:
        _refuse(context, table, batch, entry, verdict)


def pass_gate(
    context: RunContext, table: Table, batch: DataFrame, entry: Entry, extra: list[gate.Failure] | None = None
) -> None:
    """Judge a batch, together with what the job itself found, and enforce the verdict."""
    found = judged(context, table, batch)
    added = extra or []
    enforce(context, table, batch, entry, gate.Verdict(found.rules + len(added), found.failures + added, found.seconds))


def _refuse(context: RunContext, table: Table, batch: DataFrame, entry: Entry, verdict: gate.Verdict) -> None:
    kept = f"{absolute(context.settings.lake)}/_rejected/{table.name}/{context.run_id}"
    batch.write.format("delta").mode("overwrite").save(kept)
    entry.metrics["rows_refused"] = float(delta.read(context.spark, kept).count())
    blocking = [f for f in verdict.failures if f.severity == "critical" or f.error]
    record(context, entry, "failed", f"batch kept at {kept}")
    shown, counted = (
        f"{table.name} failed its gate and was not published: {'; '.join(words)}. The batch is kept at {kept}"
        for words in (map(str, blocking), (f.counted for f in blocking))
    )
    raise GateFailed(shown, counted)


def record(context: RunContext, entry: Entry, verdict: str = "passed", reason: str = "") -> Entry:
    """Write the ledger row of a table."""
    entry.verdict, entry.reason = verdict, reason
    entry.seconds = max(0.0, round((datetime.now(UTC) - entry.started_at).total_seconds(), 3))
    context.ledger.append(entry)
    return entry


def metadata(entry: Entry) -> str:
    """The ledger row as kept in the commit itself, so that a run killed right after publishing is still recorded."""
    return json.dumps(ledger_table.as_row(asdict(entry)), default=lambda v: {"t": v.isoformat()})


def keep_changed(
    context: RunContext, table: Table, txn: Transaction, staged: DataFrame, hours: list[datetime]
) -> dict[datetime, Content]:
    """Of hours staged whole keep those that come out different from what is published; returns their content."""
    found = checksums.by_hour(staged, table)
    before = {h: Content.of(s) for h, s in context.ledger.state(table.name).items()}
    now = {hour: found.get(hour, Content()) for hour in hours}
    changed = {hour: content for hour, content in now.items() if content != before.get(hour, Content())}
    txn.keep_partitions({as_partition(hour, table) for hour in changed}, table.hour)
    txn.remove(in_hours(table, changed))
    if unchanged := now.keys() - changed.keys():
        txn.watch(in_hours(table, unchanged))
    return changed


def publish(
    context: RunContext, table: Table, txn: Transaction, entry: Entry, contents: dict[datetime, Content]
) -> None:
    """Commit what is staged; `contents` is the state after it of each hour that changes. Nothing changed: no commit."""
    entry.metrics["stage_seconds"] = round(txn.stage_seconds, 3)
    entry.published_hours = [content.state(hour) for hour, content in sorted(contents.items())]
    if txn.is_empty:
        txn.raise_if_changed()
        return
    entry.affected_hours.setdefault(table.hour, sorted(contents))
    if rows := sorted(txn.task_rows.values()):
        entry.metrics |= {"tasks": float(len(rows)), "skew": rows[-1] * len(rows) / max(1, sum(rows))}
    started = time.monotonic()
    entry.output_version = txn.commit(metadata(entry))
    entry.metrics["publish_seconds"] = round(time.monotonic() - started, 3)
