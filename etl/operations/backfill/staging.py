"""Hours built beside the live ones: a small lake of their own at `<lake>/_backfill/<id>`, with its own ledger.

Each table is built a day at a time through its gate, one commit each, so a killed backfill goes on where it was. An
hour is built again when the live hour, or a staged hour it was made from, changed after it was staged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from pyspark.sql import DataFrame, SparkSession

from etl import catalog
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.checksums import Content
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import ddl, winners
from etl.engine.jobs.derivejob import input_hours
from etl.engine.jobs.insertjob import once
from etl.engine.jobs.recovery import recover
from etl.engine.jobs.run_context import RunContext, as_literal, in_hours, pass_gate, publish, record
from etl.engine.spark import files
from etl.engine.spark.layout import lay_out, range_partition
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.model.contract import Input, InsertNew, Table
from etl.operations.backfill import hours as lake_hours
from etl.operations.backfill.register import Backfill
from etl.operations.backfill.request import AD

LIVE = "live "  # input_versions: the live version of an input that is staged, too


def lake_of(lake: str, backfill_id: str) -> str:
    """Where a backfill is staged."""
    return f"{lake}/_backfill/{backfill_id}"


@dataclass(kw_only=True)
class Staging(RunContext):
    """The staging lake as a place of work: tables of the backfill are staged, all others are the live ones."""

    live: RunContext
    backfill: Backfill

    def uri(self, table: Table) -> str:
        return super().uri(table) if table.name in self.backfill.hours else self.live.uri(table)

    def published_uri(self, table: Table) -> str:
        return self.live.uri(table)

    def switched(self, table: Table) -> set[datetime]:
        """Hours that have been switched over, or were equal to the live ones."""
        return switched(self.live.ledger, self.backfill, table.name)

    def waiting(self, table: Table) -> list[datetime]:
        """Hours of the plan not yet switched over."""
        return sorted(set(self.backfill.hours[table.name]) - self.switched(table))

    def tables(self) -> list[Table]:
        """The tables of the plan, in the order data flows."""
        return [catalog.entry(name).table for name in self.backfill.hours]


def switched(ledger: Ledger, backfill: Backfill, table: str) -> set[datetime]:
    """Hours of a table that the live ledger says a backfill has switched over."""
    return {state["hour"] for e in ledger.published(table) if e.run_id == backfill.id for state in e.published_hours}


def open_staging(live: RunContext, backfill: Backfill) -> Staging:
    """The staging lake of a backfill, made when it is not there."""
    where = lake_of(files.absolute(live.settings.lake), backfill.id)
    settings = live.settings.model_copy(update={"lake": where})
    interval = (backfill.range_from, backfill.range_to)
    ledger = Ledger(live.spark, where)
    return Staging(
        spark=live.spark,
        settings=settings,
        ledger=ledger,
        run_id=backfill.id,
        listing=delta.cached_listing(live.spark),
        interval=interval,
        live=live,
        backfill=backfill,
    )


def discard(spark: SparkSession, lake: str, backfill_id: str) -> None:
    """Remove the staged rows; the ledger of the staging and the comparison stay."""
    where = lake_of(lake, backfill_id)
    for layer in dict.fromkeys(t.layer.name.lower() for t in catalog.tables()):
        files.delete(spark, f"{where}/{layer}")
    files.delete(spark, f"{where}/_rejected")


def unstaged(staging: Staging, table: Table) -> list[datetime]:
    """Hours still to be built, or to be built again."""
    marks = lake_hours.marks(staging.live, table)
    seen = staging.ledger.fingerprints(table.name)
    return [
        hour
        for hour in staging.waiting(table)
        if seen.get(hour.isoformat()) != marks.get(hour, "") or _outdated(staging, table, hour)
    ]


def _outdated(staging: Staging, table: Table, hour: datetime) -> bool:
    """Whether a staged hour it reads was staged after it."""
    consumed = staging.ledger.consumed(table.name).get(hour, {})
    return any(
        e.output_version is not None and e.output_version > consumed.get(source.table.name, -1)
        for source in table.inputs
        if source.table.name in staging.backfill.hours
        for e in staging.ledger.published(source.table.name)
        if set(e.processed_hours) & set(input_hours(source, table, [hour]))
    )


def by_day(hours: Iterable[datetime]) -> list[list[datetime]]:
    """Hours in lots that are staged together."""
    return [list(lot) for _, lot in groupby(sorted(hours), key=lambda h: h.date())]


def stage(staging: Staging, table: Table, hours: list[datetime]) -> None:
    """Build some hours of a table and let the gate judge them. Raises GateFailed; nothing live changes."""
    ddl.ensure(staging.spark, table, staging.uri(table))
    recover(staging, table)
    marks = lake_hours.marks(staging.live, table)
    entry = staging.begin(table)
    entry.processed_hours = hours
    entry.fingerprints = {hour.isoformat(): marks.get(hour, "") for hour in hours}
    _note_inputs(staging, table, entry)
    txn = Transaction(staging.spark, staging.uri(table))
    rows = _with_other_ads(staging, table, hours, _rebuilt(staging, table, hours, entry).where(in_hours(table, hours)))
    insert = isinstance(table.write, InsertNew)
    staged = txn.stage(
        once(range_partition(rows, table, len(hours)), table) if insert else lay_out(rows, table, len(hours))
    )
    pass_gate(staging, table, staged, entry)
    found = checksums.by_hour(staged, table)
    entry.rows_written = sum(c.rows for c in found.values())
    txn.remove(in_hours(table, hours))
    publish(staging, table, txn, entry, {hour: found.get(hour, Content()) for hour in hours})
    record(staging, entry)
    staging.ledger.flush()


def _with_other_ads(staging: Staging, table: Table, hours: list[datetime], rebuilt: DataFrame) -> DataFrame:
    """All rows of the hours: those of ads that were not asked for are the live ones."""
    rows = ddl.conform(rebuilt, table)
    if staging.backfill.ads is None:
        return rows
    first, end = staging.backfill.ads
    asked = f"{AD} >= {first} AND {AD} < {end}"
    live = delta.read(staging.spark, staging.live.uri(table)).where(in_hours(table, hours))
    return rows.where(asked).unionByName(live.where(f"NOT ({asked})"))


def _note_inputs(staging: Staging, table: Table, entry: Entry) -> None:
    """What is read of each input, by version and table id; of one that is staged, too, the live one as well."""
    for source in (i.table for i in table.inputs):
        places = {source.name: staging.uri(source)}
        if source.name in staging.backfill.hours:
            places[LIVE + source.name] = staging.live.uri(source)
        for name, uri in places.items():
            entry.input_versions[name], entry.input_ids[name] = delta.identity(staging.spark, uri)


def _rebuilt(staging: Staging, table: Table, hours: list[datetime], entry: Entry) -> DataFrame:
    logic = staging.logic(table, staging.backfill.logic or staging.live.ledger.logic(table.name))
    if isinstance(table.write, InsertNew):
        return _inserted(staging, table, hours, entry, logic)
    return logic(**{i.table.name: _input(staging, i, table, hours, entry) for i in table.inputs})


def _inserted(
    staging: Staging, table: Table, hours: list[datetime], entry: Entry, logic: Callable[..., DataFrame]
) -> DataFrame:
    """Rows of all that may be of the hours, however late it landed; equal ones as often as they landed."""
    source, key = table.inputs[0].table, list(table.key)
    assert source.event
    first = as_literal(winners.landed_from(table, hours), source)
    landed = delta.read(staging.spark, staging.uri(source), entry.input_versions[source.name])
    records = landed.where(f"{source.hour} >= {first}")
    found = winners.contested(records, table.key, source.event.fields)
    keys = found.collect()  # few, or the producer is to be asked
    if not keys:
        return logic(records)
    contested = staging.spark.createDataFrame(keys, found.schema)
    known = delta.read(staging.spark, staging.live.uri(table)).join(contested, key, "left_semi")
    floor = staging.live.ledger.kept_from(source.name)
    settled = winners.settle(records.join(contested, key, "left_semi"), table, logic, known, floor)
    return ddl.conform(logic(records.join(contested, key, "left_anti")), table).unionByName(settled)


def _input(staging: Staging, source: Input, table: Table, hours: list[datetime], entry: Entry) -> DataFrame:
    """An input as it will be: staged hours in place of the live ones that have not been switched yet."""
    name, spark = source.table.name, staging.spark
    own = name in staging.backfill.hours
    live = delta.read(spark, staging.live.uri(source.table), entry.input_versions[LIVE * own + name])
    if source.as_of:
        return live
    needed = set(input_hours(source, table, hours))
    staged = needed & set(staging.waiting(source.table)) if own else set()
    rows = live.where(in_hours(source.table, sorted(needed - staged)))
    if not staged:
        return rows
    built = delta.read(spark, staging.uri(source.table), entry.input_versions[name])
    return rows.unionByName(built.where(in_hours(source.table, sorted(staged))))
