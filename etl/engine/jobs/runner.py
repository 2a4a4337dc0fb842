"""A run: the tables asked for, in the order data flows, each brought up to date; what fails stops what reads it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from graphlib import TopologicalSorter

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import staged
from etl.engine.delta import tables as delta
from etl.engine.delta.attempts import attempts
from etl.engine.jobs import ddl, derivejob, landjob, run_errors
from etl.engine.jobs.recovery import recover, refuse_unfinished
from etl.engine.jobs.run_context import RunContext, log
from etl.engine.landing import owner, subjects
from etl.engine.people import keys, pseudonyms
from etl.engine.spark import files, storage
from etl.engine.state import planner
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger, refuse_lost_ledger
from etl.engine.state.shards import Shard, by_person
from etl.errors import FeedEtlError, LakeError, LandingError, first_line
from etl.model.contract import Table


@dataclass
class Summary:
    """What a run did: the ledger rows it wrote, what failed and what was not tried because of it.

    `waiting` are tables that read a table not yet made for all shards: the run of the last shard makes them.
    """

    run_id: str
    entries: list[Entry] = field(default_factory=list)
    errors: dict[str, FeedEtlError] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)

    def add(self, hour: Summary) -> None:
        """Count what a run did to one hour in; of several errors of a table the first one stays."""
        self.entries += hour.entries
        self.errors = hour.errors | self.errors
        self.skipped = hour.skipped | self.skipped
        self.waiting = hour.waiting | self.waiting
        changed = {entry.table_name for entry in self.entries}
        self.unchanged = [name for name in dict.fromkeys(self.unchanged + hour.unchanged) if name not in changed]


def new_run_id() -> str:
    """Sorts by time, unique."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def open_context(
    spark: SparkSession,
    settings: Settings,
    interval: tuple[datetime, datetime] | None = None,
    shard: Shard | None = None,
) -> RunContext:
    """A unit of work on the lake. Raises LakeError when it cannot be written, ConfigError when another key made it."""
    lake = files.absolute(settings.lake)
    keys.refuse_inside(settings)
    storage.check(spark, settings)
    refuse_lost_ledger(spark, lake)
    try:
        context = RunContext(spark, settings, Ledger(spark, lake), new_run_id(), delta.cached_listing(spark), interval, shard)
    except Exception as error:
        raise LakeError(f"The lake {lake} cannot be read or written: {first_line(error)}") from error
    for table in catalog.tables():
        pseudonyms.check(spark, table, context.uri(table))
    return context


def run(
    spark: SparkSession,
    settings: Settings,
    start: datetime,
    end: datetime,
    tables: list[str] | None = None,
    progress: Callable[[str, Table], None] = lambda _state, _table: None,
    shard: Shard | None = None,
) -> Summary:
    """Process the landed hours [start, end), of all users or a shard. Idempotent: run again after any interruption."""
    landing = files.absolute(settings.landing)
    if not files.exists(spark, landing):
        raise LandingError(f"There is no landing zone at {landing}. Set --landing, or try `feed-etl simulate`.")
    context = open_context(spark, settings, (start, end), shard)
    owner.claim(spark, settings)
    staged.remove_dead(spark, settings)
    summary = Summary(context.run_id)
    chosen = catalog.select(tables or catalog.of_subjects(subjects.landed(spark, settings)))
    unusable = _made_ready(context, chosen)
    try:
        _side_by_side(context, chosen, unusable, summary, progress)
    finally:
        context.ledger.flush()
    run_errors.record(context, summary.errors, [*summary.unchanged])
    flow = list(catalog.entries())
    mine = [e for e in context.ledger.entries if e.run_id == context.run_id and e.verdict in ("passed", "failed")]
    summary.entries = sorted(mine, key=lambda e: (flow.index(e.table_name), e.started_at))
    return summary


def run_hours(
    spark: SparkSession,
    settings: Settings,
    start: datetime,
    end: datetime,
    tables: list[str] | None = None,
    progress: Callable[[str, Table], None] = lambda _state, _table: None,
    shard: Shard | None = None,
) -> Summary:
    """As `run`, but each hour is judged by itself, so that a bad one holds back no other."""
    whole = Summary(new_run_id())
    for hour in planner.hours_between(start, end):
        whole.add(run(spark, settings, hour, hour + planner.HOUR, tables, progress, shard))
    return whole


def _needed(chosen: list[catalog.Entry]) -> list[Table]:
    """The chosen tables and all they read or write beside."""
    names = {"quarantine"}
    for table in (entry.table for entry in chosen):
        names |= {table.name, *catalog.reads(table)}
    return [entry.table for entry in catalog.select(sorted(names))]


def _made_ready(context: RunContext, chosen: list[catalog.Entry]) -> dict[str, LakeError]:
    """Make the tables of a run that are not there yet; returns those that cannot even be opened, and why."""
    needed = _needed(chosen)
    with ThreadPoolExecutor(context.settings.parallel_tables) as pool:
        found = pool.map(lambda table: _unusable(context, table), needed)
        return {table.name: why for table, why in zip(needed, found, strict=True) if why}


def _unusable(context: RunContext, table: Table) -> LakeError | None:
    delta.activate(context.spark)
    try:
        ddl.ensure(context.spark, table, context.uri(table))
    except (Py4JJavaError, PySparkException) as error:
        return _damaged(table.name, error)
    return None


def _damaged(what: str, error: Exception) -> LakeError:
    log.debug("%s", what, exc_info=error)
    return LakeError(f"{what} cannot be read or written: {first_line(error)}. See docs/runbook.md")


def _side_by_side(
    context: RunContext,
    chosen: list[catalog.Entry],
    unusable: dict[str, LakeError],
    summary: Summary,
    progress: Callable[[str, Table], None],
) -> None:
    """Tables that do not need each other at the same time: a small table leaves most of a machine idle."""
    tables = {entry.table.name: entry.table for entry in chosen}
    order = TopologicalSorter(
        {name: [n for n in catalog.after(table) if n in tables] for name, table in tables.items()}
    )
    order.prepare()
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(context.settings.parallel_tables) as pool:
        while order.is_active():
            for name in order.get_ready():
                running[pool.submit(_step, context, tables[name], unusable, summary, progress)] = name
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                order.done(running.pop(future))
                future.result()


def _step(
    context: RunContext,
    table: Table,
    unusable: dict[str, LakeError],
    summary: Summary,
    progress: Callable[[str, Table], None],
) -> None:
    blocked = [name for name in catalog.reads(table) if name in {*summary.errors, *summary.skipped}]
    if blocked:
        summary.skipped[table.name] = blocked[0]
        return
    damaged = [name for name in (table.name, *catalog.reads(table)) if name in unusable]
    if damaged:
        summary.errors[table.name] = unusable[damaged[0]]
        return
    if not catalog.is_made(table):
        return
    if others := _unfinished(context, table):
        summary.waiting[table.name] = others[0]
        return
    progress("start", table)
    try:
        if run_table(context.apart(), table) is None:
            summary.unchanged.append(table.name)
    except FeedEtlError as error:
        summary.errors[table.name] = error
    except (Py4JJavaError, PySparkException) as error:
        summary.errors[table.name] = _damaged(f"{table.name} or a table it reads", error)
    if context.shard_of(table):
        context.ledger.flush()  # at once: runs of other shards look for it
    progress("done", table)


def _unfinished(context: RunContext, table: Table) -> list[str]:
    """Tables it is made from, at any remove, that are still to be made for some shard. None for a shard's own."""
    if context.shard is None or by_person(table):
        return []
    cut = [each for each in catalog.upstream(table) if by_person(each)]
    if cut:
        context.ledger.refresh()
    return [each.name for each in cut if planner.due(context.ledger, each, context.interval)]


def run_table(context: RunContext, table: Table) -> Entry | None:
    """Bring one table up to date, trying again when another run got in between."""
    job = landjob.run if table.event else derivejob.run
    for attempt in attempts():
        with attempt, delta.translate_conflicts(f"{table.name} or a table it reads"):
            if attempt.retry_state.attempt_number > 1:
                context.ledger.refresh()
            for each in (table, catalog.entry("quarantine").table) if table.event else (table,):
                recover(context, each)
            refuse_unfinished(context, table)
            return job(context, table)
    return None
