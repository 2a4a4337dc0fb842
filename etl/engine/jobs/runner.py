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
    chosen, left_out = _chosen(context, choice)
    if by_hour.is_backlog(context, [entry.table for entry in chosen]):
        context = replace(context, each_alone=each_alone)
    return _make(context, chosen, Summary(context.run_id, left_out=left_out), progress, choice.migrate)


def _open_run(
    spark: SparkSession, settings: Settings, interval: tuple[datetime, datetime], choice: Choice
) -> RunContext:
    """The context of a run over landed hours. Raises LandingError when there is no landing zone."""
    _refuse_without_landing(spark, settings)
    context = open_context(spark, settings, interval, choice.shard)
    _claim(context)
    if not choice.skip_failed:
        return context
    held = order.held_in(recovery_list.still_due(context.ledger), interval[1] - planner.HOUR)
    return replace(context, selection=Selection(held, {name: set(hours) for name, hours in held.items()}))


def _refuse_without_landing(spark: SparkSession, settings: Settings) -> None:
    landing = files.absolute(settings.landing)
    if not files.exists(spark, landing):
        raise LandingError(f"There is no landing zone at {landing}. Set --landing, or try `feed-etl simulate`.")


def _claim(context: RunContext) -> None:
    """Mark the landing zone as that of this lake, and remove what dead processes staged."""
    owner.claim(context.spark, context.settings)
    staged.remove_dead(context.spark, context.settings)


def _chosen(context: RunContext, choice: Choice) -> tuple[list[catalog.Entry], list[str]]:
    """The tables of a run, and the names of those that --only-critical leaves out."""
    names = choice.tables or catalog.of_subjects(subjects.landed(context.spark, context.settings))
    chosen = catalog.select(names)
    if not choice.only_critical:
        return chosen, []
    critical = order.critical([entry.table for entry in chosen])
    others = [entry.table for entry in chosen if entry.table not in critical]
    return (
        [entry for entry in chosen if entry.table in critical],
        [table.name for table in others if catalog.has_job(table)],
    )


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
        chosen, left_out = _chosen(context, choice)
        if by_hour.is_backlog(context, [entry.table for entry in chosen]):
            alone = replace(context, each_alone=True)
            return _make(alone, chosen, Summary(context.run_id, left_out=left_out), progress, choice.migrate)
    whole = Summary(new_run_id())
    for hour in hours:
        whole.add(run_chosen(spark, settings, (hour, hour + planner.HOUR), choice, progress))
    return whole


def recover_hours(spark: SparkSession, settings: Settings, progress: Progress = SILENT) -> Summary | None:
    """Try the hours of the recovery list again, each alone, and make what reads them; None when the list is empty.

    Of the tables that read them only those are made that runs have made before in this lake.
    """
    context = open_context(spark, settings)
    listed = recovery_list.flat(recovery_list.still_due(context.ledger))
    if not listed:
        return None
    _refuse_without_landing(spark, settings)
    _claim(context)
    hours, names = frozenset(failed.hour for failed in listed), {failed.table for failed in listed}
    made = {entry.table_name for entry in context.ledger.entries}
    ran = [table for table in catalog.tables() if table.name in made]
    tables = [t.name for t in ran if t.name in names or names & {u.name for u in catalog.upstream(t)}]
    interval = (min(hours), max(hours) + 24 * planner.HOUR)
    alone = replace(context, interval=interval, selection=Selection(landed=hours), each_alone=True)
    return _make(alone, catalog.select(tables), Summary(context.run_id), progress)
