"""Stages rebuilt hours in a small lake of their own at `<lake>/_backfill/<id>`, with its own ledger.

Each table is built one day at a time. Every day passes the gate and is one commit, so a killed backfill continues where
it stopped. An hour is built again when the live hour changes after staging, or when a staged hour that it reads does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from pyspark.sql import DataFrame, SparkSession

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.delta.checksums import Content
from etl.engine.delta.listing import cached_listing
from etl.engine.delta.partitions import as_literal, in_hours
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import ddl, migration, winners
from etl.engine.jobs.audit import pass_gate
from etl.engine.jobs.derive import input_hours
from etl.engine.jobs.fact_batch import drop_equal_rows
from etl.engine.jobs.recovery import recover
from etl.engine.jobs.run_context import RunContext, publish, record
from etl.engine.spark import files
from etl.engine.spark.layout import lay_out, range_partition
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.model.contract import Input, InsertNew, Table
from etl.operations.backfill import hours as lake_hours
from etl.operations.backfill.register import Backfill
from etl.operations.backfill.request import AD

LIVE = "live "  # prefix in input_versions: the live version of an input that this backfill also rebuilds


def lake_of(lake: str, backfill_id: str) -> str:
    """Return the URI of the staging lake of a backfill."""
    return f"{lake}/_backfill/{backfill_id}"


@dataclass(kw_only=True)
class Staging(RunContext):
    """A RunContext of the staging lake. Tables of the backfill are in the staging lake, all others in the live lake."""

    live: RunContext
    backfill: Backfill

    def uri(self, table: Table) -> str:
        """Return the URI of a table: staged when the backfill rebuilds it, else live."""
        return super().uri(table) if table.name in self.backfill.hours else self.live.uri(table)

    def published_uri(self, table: Table) -> str:
        """Return the URI of the live table."""
        return self.live.uri(table)

    def switched(self, table: Table) -> set[datetime]:
        """Return the hours that are switched over, or that equal the live hours."""
        return switched(self.live.ledger, self.backfill, table.name)

    def waiting(self, table: Table) -> list[datetime]:
        """Return the planned hours that are not switched over yet."""
        return sorted(set(self.backfill.hours[table.name]) - self.switched(table))

    def tables(self) -> list[Table]:
        """Return the tables of the plan, inputs before outputs."""
        return [catalog.entry(name).table for name in self.backfill.hours]


def switched(ledger: Ledger, backfill: Backfill, table: str) -> set[datetime]:
    """Return the hours of a table that a backfill has switched over, by the live ledger."""
    return {state["hour"] for e in ledger.published(table) if e.run_id == backfill.id for state in e.published_hours}


def open_staging(live: RunContext, backfill: Backfill) -> Staging:
    """Open the staging lake of a backfill. It is created when it does not exist."""
    lake = lake_of(files.absolute(live.settings.lake), backfill.id)
    settings = live.settings.model_copy(update={"lake": lake})
    interval = (backfill.range_from, backfill.range_to)
    ledger = Ledger(live.spark, lake)
    return Staging(
        spark=live.spark,
        settings=settings,
        ledger=ledger,
        run_id=backfill.id,
        listing=cached_listing(live.spark),
        interval=interval,
        judges_history=False,
        live=live,
        backfill=backfill,
    )


def discard(spark: SparkSession, lake: str, backfill_id: str) -> None:
    """Remove the staged rows of a backfill. The staging ledger and the comparison stay."""
    staging_lake = lake_of(lake, backfill_id)
    for layer in dict.fromkeys(t.layer.name.lower() for t in catalog.tables()):
        files.delete(spark, f"{staging_lake}/{layer}")
    files.delete(spark, f"{staging_lake}/_rejected")


def unstaged(staging: Staging, table: Table) -> list[datetime]:
    """Return the hours that must be built, for the first time or again.

    A day of a chain that is built again may change all later ones, so these are built again as well.
    """
    live = lake_hours.fingerprints(staging.live, table)
    when_staged = staging.ledger.fingerprints(table.name)
    waiting = staging.waiting(table)
    found = [
        hour
        for hour in waiting
        if when_staged.get(hour.isoformat()) != live.get(hour, "") or _outdated(staging, table, hour)
    ]
    return [hour for hour in waiting if hour >= found[0]] if table.chain and found else found


def _outdated(staging: Staging, table: Table, hour: datetime) -> bool:
    """Whether a staged hour that this hour reads was staged again after it."""
    consumed = staging.ledger.consumed(table.name).get(hour, {})
    return any(
        e.output_version is not None and e.output_version > consumed.get(source.table.name, -1)
        for source in table.sources.values()
        if source.table.name in staging.backfill.hours
        for e in staging.ledger.published(source.table.name)
        if set(e.processed_hours) & set(input_hours(source, table, [hour]))
    )


def by_day(hours: Iterable[datetime]) -> list[list[datetime]]:
    """Group hours by day. The hours of one day are staged together."""
    return [list(day) for _, day in groupby(sorted(hours), key=lambda h: h.date())]


def stage(staging: Staging, table: Table, hours: list[datetime]) -> None:
    """Build hours of a table, audit them with the gate and publish them to the staging lake.

    Live tables do not change. Raises GateFailed when the gate fails.
    """
    migration.ensure(staging, table)  # a table that an earlier release staged follows the contract, too
    recover(staging, table)
    live = lake_hours.fingerprints(staging.live, table)
    entry = staging.begin(table)
    entry.processed_hours = hours
    entry.fingerprints = {hour.isoformat(): live.get(hour, "") for hour in hours}
    _record_inputs(staging, table, entry)
    txn = Transaction(staging.spark, staging.uri(table))
    rows = _with_other_ads(staging, table, hours, _rebuilt(staging, table, hours, entry).where(in_hours(table, hours)))
    insert = isinstance(table.write, InsertNew)
    staged = txn.stage(
        drop_equal_rows(range_partition(rows, table, len(hours)), table) if insert else lay_out(rows, table, len(hours))
    )
    contents = pass_gate(staging, table, staged, entry, txn.staged_hours(table.hour))
    entry.rows_written = sum(c.rows for c in contents.values())
    txn.remove(in_hours(table, hours))
    publish(staging, table, txn, entry, {hour: contents.get(hour, Content()) for hour in hours})
    record(staging, entry)
    staging.ledger.flush()


def _with_other_ads(staging: Staging, table: Table, hours: list[datetime], rebuilt: DataFrame) -> DataFrame:
    """Return all rows of the hours: rebuilt rows of the ads of the backfill, live rows of all other ads."""
    rows = ddl.conform(rebuilt, table)
    if staging.backfill.ads is None:
        return rows
    first, end = staging.backfill.ads
    in_ads = f"{AD} >= {first} AND {AD} < {end}"
    live = delta.read(staging.spark, staging.live.uri(table)).where(in_hours(table, hours))
    return rows.where(in_ads).unionByName(live.where(f"NOT ({in_ads})"))


def _record_inputs(staging: Staging, table: Table, entry: Entry) -> None:
    """Record the version and table id of each input. Of an input that is also staged, record both tables."""
    for source in (i.table for i in table.sources.values()):
        uris = {source.name: staging.uri(source)}
        if source.name in staging.backfill.hours:
            uris[LIVE + source.name] = staging.live.uri(source)
        for name, uri in uris.items():
            entry.input_versions[name], entry.input_ids[name] = delta.identity(staging.spark, uri)


def _rebuilt(staging: Staging, table: Table, hours: list[datetime], entry: Entry) -> DataFrame:
    logic = staging.logic(table, staging.backfill.logic or staging.live.ledger.logic(table.name))
    if isinstance(table.write, InsertNew):
        return _inserted(staging, table, hours, entry, logic)
    return logic(**{name: _input(staging, i, table, hours, entry) for name, i in table.sources.items()})


def _inserted(
    staging: Staging, table: Table, hours: list[datetime], entry: Entry, logic: Callable[..., DataFrame]
) -> DataFrame:
    """Return the rows of all records that may belong to the hours, late-arriving ones included. Duplicates remain.

    Keys whose records differ are settled as in a run, with the live row as one of the candidates.
    """
    source, key = table.inputs[0].table, list(table.key)
    assert source.event
    first = as_literal(winners.landed_from(staging.settings, table, hours), source)
    landed = delta.read(staging.spark, staging.uri(source), entry.input_versions[source.name])
    records = landed.where(f"{source.hour} >= {first}")
    found = winners.contested(records, table.key, source.event.fields)
    keys = found.collect()  # few, unless the producer is broken
    if not keys:
        return logic(records)
    contested = staging.spark.createDataFrame(keys, found.schema)
    published = delta.read(staging.spark, staging.live.uri(table)).join(contested, key, "left_semi")
    kept_from = staging.live.ledger.kept_from(source.name)
    complete_from = kept_from and kept_from + winners.landed_before(staging.settings, table)
    settled = winners.settle(records.join(contested, key, "left_semi"), table, logic, published, complete_from)
    return ddl.conform(logic(records.join(contested, key, "left_anti")), table).unionByName(settled)


def _input(staging: Staging, source: Input, table: Table, hours: list[datetime], entry: Entry) -> DataFrame:
    """Return an input as it will be after the backfill: staged hours replace live hours that are not switched yet."""
    name, spark = source.table.name, staging.spark
    is_staged = name in staging.backfill.hours
    live_name = LIVE + name if is_staged else name
    live = delta.read(spark, staging.live.uri(source.table), entry.input_versions[live_name])
    if source.as_of:
        return live
    needed = set(input_hours(source, table, hours))
    staged = needed & set(staging.waiting(source.table)) if is_staged else set()
    rows = live.where(in_hours(source.table, sorted(needed - staged)))
    if not staged:
        return rows
    built = delta.read(spark, staging.uri(source.table), entry.input_versions[name])
    return rows.unionByName(built.where(in_hours(source.table, sorted(staged))))
