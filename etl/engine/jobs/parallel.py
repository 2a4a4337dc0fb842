"""Runs tables in the order of lineage, independent ones in parallel, and notes how each ended."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from graphlib import TopologicalSorter

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.delta.attempts import attempts
from etl.engine.jobs import by_hour, derive, land
from etl.engine.jobs.progress import Progress
from etl.engine.jobs.recovery import recover, refuse_unfinished
from etl.engine.jobs.run_context import RunContext
from etl.engine.jobs.run_errors import storage_error
from etl.engine.jobs.summary import Summary
from etl.engine.state import planner
from etl.engine.state.entry import Entry
from etl.engine.state.shards import person_column
from etl.errors import FeedEtlError
from etl.model.contract import Table
from etl.telemetry import fields, spans


def run_in_parallel(
    context: RunContext,
    chosen: list[Table],
    unusable: dict[str, FeedEtlError],
    summary: Summary,
    progress: Progress,
) -> None:
    """Run the tables in the order of lineage, independent ones in parallel: a small table leaves most cores idle."""
    tables = {table.name: table for table in chosen}
    order = TopologicalSorter(
        {name: [n for n in catalog.after(table) if n in tables] for name, table in tables.items()}
    )
    order.prepare()
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(context.settings.parallel_tables) as pool:
        while order.is_active():
            for name in order.get_ready():
                run_ = copy_context().run  # a thread does not take over the fields and the span of its caller
                running[pool.submit(run_, _run_if_ready, context, tables[name], unusable, summary, progress)] = name
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                order.done(running.pop(future))
                future.result()


def _run_if_ready(
    context: RunContext,
    table: Table,
    unusable: dict[str, FeedEtlError],
    summary: Summary,
    progress: Progress,
) -> None:
    """Run a table unless one that it reads failed, cannot be opened, or waits for other shards; note the outcome.

    With a backlog, a failed hour of an input holds up only the hours that read it, and not the table.
    """
    failed = [name for name in catalog.reads(table) if name in {*summary.errors, *summary.skipped}]
    if failed and context.each_alone is None:
        summary.skipped[table.name] = failed[0]
        return
    closed = [name for name in (table.name, *catalog.reads(table)) if name in unusable]
    if closed:
        summary.errors[table.name] = unusable[closed[0]]
        return
    if not catalog.has_job(table):
        return
    if unfinished := _inputs_unfinished_by_shards(context, table):
        summary.waiting[table.name] = unfinished[0]
        return
    progress.show("start", table)
    _run_and_note(context, table, summary, progress)
    if context.shard_of(table):
        context.ledger.flush()  # at once: runs of other shards look for this row
    progress.show("done", table)


def _run_and_note(context: RunContext, table: Table, summary: Summary, progress: Progress) -> None:
    """Run a table in a session of its own. Its errors go to the summary; a bug in the code raises."""
    progress.started(context, table)
    own = context.with_own_session()
    if context.each_alone is None:
        result = by_hour.make_at_once(own, table, _run_translated)
    else:
        result = by_hour.make_hours(own, table, _run_translated, context.each_alone)
    if result.errors:
        summary.errors[table.name] = result.errors[0]
        progress.ended(context, table, _row_of_run(context, table), result.errors[0])
        return
    if not result.entries:
        summary.unchanged.append(table.name)
    progress.passed(table, result.entries)
    progress.ended(context, table, result.entries[-1] if result.entries else None, None)


def _run_translated(context: RunContext, table: Table) -> Entry | None:
    """`run_table` as a span for observers, with an error of Spark or Delta as a LakeError."""
    with fields.scope(table=table.name), spans.span(f"table {table.name}"):
        try:
            entry = run_table(context, table)
        except (Py4JJavaError, PySparkException) as error:
            raise storage_error(f"{table.name} or a table it reads", error) from error
        spans.note(hours=len(entry.processed_hours) if entry else 0, rows=entry.rows_written if entry else 0)
        return entry


def _row_of_run(context: RunContext, table: Table) -> Entry | None:
    """The newest ledger row that this run wrote for a table; None without one."""
    rows = (e for e in reversed(context.ledger.entries) if (e.run_id, e.table_name) == (context.run_id, table.name))
    return next(rows, None)


def _inputs_unfinished_by_shards(context: RunContext, table: Table) -> list[str]:
    """Direct and indirect inputs that some shard has not made yet.

    Empty for a run without a shard, and for a table that is itself made in shards.
    """
    if context.shard is None or person_column(table):
        return []
    sharded = [upstream for upstream in catalog.upstream(table) if person_column(upstream)]
    if sharded:
        context.ledger.refresh()
    return [upstream.name for upstream in sharded if planner.due(context.ledger, upstream, context.interval)]


def run_table(context: RunContext, table: Table) -> Entry | None:
    """Bring one table up to date; returns its ledger row, None when nothing changed.

    When another run published the same hours meanwhile, try again with a fresh ledger. Raises ConflictError when all
    attempts conflict.
    """
    job = land.run if table.event else derive.run
    for attempt in attempts():
        with attempt, delta.translate_conflicts(f"{table.name} or a table it reads"):
            if attempt.retry_state.attempt_number > 1:
                context.ledger.refresh()
            for each in (table, catalog.entry("quarantine").table) if table.event else (table,):
                recover(context, each)
            refuse_unfinished(context, table)
            return job(context, table)
    return None
