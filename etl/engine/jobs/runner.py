"""Runs over landed hours: opens the lake, chooses the tables, makes them and sums up what happened.

`parallel` runs the tables. When a table fails, it skips the tables that read it and goes on with the others.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import staged
from etl.engine.delta.listing import cached_listing
from etl.engine.jobs import by_hour, results, run_errors
from etl.engine.jobs.create_tables import create_tables
from etl.engine.jobs.parallel import run_in_parallel
from etl.engine.jobs.progress import SILENT, Progress
from etl.engine.jobs.run_context import RunContext
from etl.engine.jobs.summary import Summary
from etl.engine.landing import owner, subjects
from etl.engine.people import keys, pseudonyms
from etl.engine.spark import files, storage
from etl.engine.state import order, planner, recovery_list, restores
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger, refuse_lost_ledger
from etl.engine.state.order import Selection
from etl.engine.state.shards import Shard
from etl.errors import LakeError, LandingError, first_line
from etl.telemetry import fields, spans


def new_run_id() -> str:
    """A unique id that sorts by time: `20260601T100000-1a2b3c`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def open_context(
    spark: SparkSession,
    settings: Settings,
    interval: tuple[datetime, datetime] | None = None,
    shard: Shard | None = None,
) -> RunContext:
    """The RunContext of a new run; creates the ledger when there is none.

    Raises LakeError when the lake cannot be read or written, is being restored, or has tables but no ledger. Raises
    ConfigError when the lake was made with another pseudonym key.
    """
    lake = files.absolute(settings.lake)
    keys.refuse_inside(settings)
    storage.check(spark, settings)
    refuse_lost_ledger(spark, lake)
    try:
        ledger = Ledger(spark, lake, results.of_entries)
        context = RunContext(spark, settings, ledger, new_run_id(), cached_listing(spark), interval, shard)
    except (Py4JError, PySparkException, OSError) as error:
        raise LakeError(f"The lake {lake} cannot be read or written: {first_line(error)}") from error
    restores.refuse_unfinished(spark, lake)  # after the ledger was opened: a restore that begins later ends this run
    for table in catalog.tables():
        pseudonyms.check(spark, table, context.uri(table))
    return context


@dataclass(frozen=True)
class Choice:
    """What a run makes: the options of `feed-etl run`.

    tables: names; None: all tables of the subjects that have landed. shard: the people; None: all. only_critical: leave
    out marts and reports. skip_failed: leave out the hours of the recovery list, except the last hour of the interval.
    migrate: first apply the safe changes of contracts.
    """

    tables: list[str] | None = None
    shard: Shard | None = None
    only_critical: bool = False
    skip_failed: bool = False
    migrate: bool = False


EVERYTHING = Choice()


def run(
    spark: SparkSession,
    settings: Settings,
    start: datetime,
    end: datetime,
    tables: list[str] | None = None,
    progress: Progress = SILENT,
    shard: Shard | None = None,
) -> Summary:
    """Process the landed hours [start, end), for all people or for a shard.

    tables: names; by default all tables of the subjects that have landed. A run is idempotent: repeat it after any
    interruption. Raises LandingError when there is no landing zone; errors of single tables are in the summary.
    """
    return run_chosen(spark, settings, (start, end), Choice(tables, shard), progress)


def run_chosen(
    spark: SparkSession,
    settings: Settings,
    interval: tuple[datetime, datetime],
    choice: Choice,
    progress: Progress = SILENT,
    each_alone: bool = False,
) -> Summary:
    """Like `run`, with all options. each_alone: when many hours wait, make them one by one."""
    context = _open_run(spark, settings, interval, choice)
    chosen = _chosen(context, choice)
    if by_hour.is_backlog(context, [entry.table for entry in chosen]):
        context = replace(context, each_alone=each_alone)
    summary = Summary(context.run_id, left_out=_left_out(context, choice, chosen))
    return _make(context, chosen, summary, progress, choice.migrate)


def _open_run(
    spark: SparkSession, settings: Settings, interval: tuple[datetime, datetime], choice: Choice
) -> RunContext:
    """The context of a run over landed hours. Raises LandingError when there is no landing zone."""
    landing = files.absolute(settings.landing)
    if not files.exists(spark, landing):
        raise LandingError(f"There is no landing zone at {landing}. Set --landing, or try `feed-etl simulate`.")
    context = open_context(spark, settings, interval, choice.shard)
    owner.claim(spark, settings)
    staged.remove_dead(spark, settings)
    if not choice.skip_failed:
        return context
    held = order.held_in(recovery_list.still_due(context.ledger), interval[1] - planner.HOUR)
    return replace(context, selection=Selection(held, {name: set(hours) for name, hours in held.items()}))


def _chosen(context: RunContext, choice: Choice) -> list[catalog.Entry]:
    chosen = _all_chosen(context, choice)
    if not choice.only_critical:
        return chosen
    return catalog.select([table.name for table in order.critical([entry.table for entry in chosen])])


def _all_chosen(context: RunContext, choice: Choice) -> list[catalog.Entry]:
    return catalog.select(choice.tables or catalog.of_subjects(subjects.landed(context.spark, context.settings)))


def _left_out(context: RunContext, choice: Choice, chosen: list[catalog.Entry]) -> list[str]:
    """The tables that --only-critical leaves out."""
    names = {entry.table.name for entry in chosen}
    return [
        e.table.name for e in _all_chosen(context, choice) if e.table.name not in names and catalog.has_job(e.table)
    ]


def _hour(start: datetime, end: datetime) -> str:
    """The hour of a run for observers; of several hours, their interval as ISO 8601 writes it."""
    only_one = end - start == planner.HOUR
    return f"{start:%Y-%m-%dT%H}" if only_one else f"{start:%Y-%m-%dT%H}/{end:%Y-%m-%dT%H}"


def _make(
    context: RunContext, chosen: list[catalog.Entry], summary: Summary, progress: Progress, migrate: bool = False
) -> Summary:
    """Make the chosen tables as a span for observers."""
    assert context.interval
    with fields.scope(run_id=context.run_id, hour=_hour(*context.interval)), spans.span("run"):
        return _make_all(context, chosen, summary, progress, migrate)


def _make_all(
    context: RunContext, chosen: list[catalog.Entry], summary: Summary, progress: Progress, migrate: bool = False
) -> Summary:
    """Make the chosen tables; with a backlog class by class. Records the errors, and completes the summary."""
    summary.is_backlog = context.each_alone is not None
    unusable = create_tables(context, chosen, migrate)
    tables = [entry.table for entry in chosen]
    try:
        for group in order.groups(tables) if summary.is_backlog else [tables]:
            run_in_parallel(context, group, unusable, summary, progress)
    finally:
        context.ledger.flush()
    run_errors.record(context, summary.errors, [*summary.unchanged])
    summary.entries = _entries_of_run(context)
    made = {(entry.table_name, hour) for entry in summary.entries for hour in entry.processed_hours}
    for table in tables:
        if held := [hour for hour in context.selection.held.get(table.name, {}) if (table.name, hour) not in made]:
            summary.held[table.name] = held
    return summary


def _entries_of_run(context: RunContext) -> list[Entry]:
    """The ledger rows of this run, in the order of lineage; rows that only report errors are left out."""
    order = list(catalog.entries())
    written = [e for e in context.ledger.entries if e.run_id == context.run_id and e.verdict in ("passed", "failed")]
    return sorted(written, key=lambda e: (order.index(e.table_name), e.started_at))


def run_hours(
    spark: SparkSession,
    settings: Settings,
    start: datetime,
    end: datetime,
    choice: Choice = EVERYTHING,
    progress: Progress = SILENT,
) -> Summary:
    """Run each hour by itself, so that the failed audit of one hour does not stop the others. See `run`.

    When many hours wait, one run makes them table by table, class by class, and each hour of a table alone.
    """
    hours = planner.hours_between(start, end)
    if len(hours) > settings.backlog.ordered_above:
        context = _open_run(spark, settings, (start, end), choice)
        if by_hour.is_backlog(context, [entry.table for entry in _chosen(context, choice)]):
            return run_chosen(spark, settings, (start, end), choice, progress, each_alone=True)
    whole = Summary(new_run_id())
    for hour in hours:
        whole.add(run_chosen(spark, settings, (hour, hour + planner.HOUR), choice, progress))
    return whole


def recover_hours(spark: SparkSession, settings: Settings, progress: Progress = SILENT) -> Summary | None:
    """Try the hours of the recovery list again, each alone, and make what reads them; None when the list is empty.

    Of the tables that read them only those are made that runs have made before in this lake.
    """
    ledger = open_context(spark, settings).ledger
    listed = recovery_list.flat(recovery_list.still_due(ledger))
    if not listed:
        return None
    hours, names = frozenset(failed.hour for failed in listed), {failed.table for failed in listed}
    ran = [table for table in catalog.tables() if any(e.table_name == table.name for e in ledger.entries)]
    tables = [t.name for t in ran if t.name in names or names & {u.name for u in catalog.upstream(t)}]
    context = _open_run(spark, settings, (min(hours), max(hours) + 24 * planner.HOUR), Choice(tables))
    context = replace(context, selection=Selection(landed=hours), each_alone=True)
    return _make(context, catalog.select(tables), Summary(context.run_id), progress)
