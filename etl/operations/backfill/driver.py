"""Runs a backfill: declare, stage, compare, switch over.

A backfill that is killed at any point continues where it stopped. See docs/backfill.md.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import ddl, runner
from etl.engine.jobs.recovery import recover
from etl.engine.jobs.run_context import RunContext
from etl.engine.spark import files
from etl.engine.state.ledger import Ledger
from etl.errors import ConfigError, ConflictError, FeedEtlError, GateFailed, first_line
from etl.model.contract import Table
from etl.operations.backfill import compare, plan, staging
from etl.operations.backfill.compare import HourDiff
from etl.operations.backfill.plan import Plan
from etl.operations.backfill.register import Backfill, Register
from etl.operations.backfill.request import Request
from etl.operations.backfill.staging import Staging
from etl.operations.backfill.switch import LiveHourChanged, switch

ATTEMPTS = 6  # how often hours are built again when other runs change them at the same time
Progress = Callable[[str, Table], None]


def quiet(_state: str, _table: Table) -> None:
    """Show no progress."""


def open_lake(spark: SparkSession, settings: Settings) -> tuple[RunContext, Register]:
    """Open the live lake and its register of backfills. Raises LakeError when there is no lake yet."""
    lake = files.absolute(settings.lake)
    Ledger.existing(spark, lake)
    return runner.open_context(spark, settings), Register(spark, lake)


def declare(
    spark: SparkSession, settings: Settings, request: Request, owner: str, reason: str, yes: bool = False
) -> Backfill | None:
    """Plan a request and record the backfill. Returns None when there is nothing to rebuild.

    All checks run before anything is written. Raises ConfigError for a request that is not possible or that rebuilds
    many days without `yes`, ConflictError when a backfill in flight overlaps.
    """
    context, register = open_lake(spark, settings)
    planned = plan.make(context, request)
    if not planned.steps:
        return None
    _refuse_cost(planned, settings, yes)
    new = _new_backfill(context, planned, owner, reason)
    register.refuse_overlap(new)
    register.declare(new)
    return new


def _refuse_cost(planned: Plan, settings: Settings, yes: bool) -> None:
    if planned.days > settings.backfill_days_without_yes and not yes:
        raise ConfigError(
            f"This rebuilds {planned.days} days, more than {settings.backfill_days_without_yes} "
            "(backfill_days_without_yes). Look at `feed-etl backfill plan`, then add --yes."
        )


def _new_backfill(context: RunContext, planned: Plan, owner: str, reason: str) -> Backfill:
    request = planned.request
    tables = [catalog.entry(name).table for name in planned.hours]
    return Backfill(
        id=f"backfill-{context.run_id}",
        at=datetime.now(UTC),
        state="declared",
        owner=owner,
        reason=reason,
        range_from=request.start,
        range_to=request.end,
        choice=request.only,
        logic=request.logic,
        ads=request.ads,
        hours=planned.hours,
        versions={t.name: delta.current_version(context.spark, context.uri(t)) for t in tables},
    )


def execute(
    spark: SparkSession, settings: Settings, backfill_id: str, accept: bool = False, progress: Progress = quiet
) -> Backfill:
    """Execute a declared backfill, or the rest of one that stopped.

    Raises GateFailed when a gate fails or a measure changes by more than the budget, ConfigError when the backfill has
    ended, ConflictError when it is cancelled or other runs keep changing its hours.
    """
    live, register = open_lake(spark, settings)
    backfill = register.one(backfill_id)
    if not backfill.in_flight:
        raise ConfigError(f"Backfill {backfill.id} is {backfill.state} already; declare a new one.")
    if accept and not backfill.accepted:
        backfill = register.accept(backfill)
    live.run_id = backfill.id
    staging_lake = staging.open_staging(live, backfill)
    for table in staging_lake.tables():
        ddl.ensure(spark, table, live.uri(table))
        recover(live, table)
    live.ledger.flush()
    try:
        _stage_and_switch(staging_lake, register, progress)
    except FeedEtlError as error:
        if register.one(backfill.id).in_flight:
            register.note(backfill, "stopped", first_line(getattr(error, "lasting", error), 2000))
        raise
    staging.discard(spark, files.absolute(settings.lake), backfill.id)
    return register.note(backfill, "done")


def _stage_and_switch(staging_lake: Staging, register: Register, progress: Progress) -> None:
    """Stage, compare and switch over. When another run changes a live hour meanwhile, start again."""
    for _ in range(ATTEMPTS):
        _stage(staging_lake, register, progress)
        diffs = compare.renew(staging_lake)
        _refuse_change(staging_lake, diffs)
        try:
            _switch(staging_lake, register, diffs, progress)
            return
        except LiveHourChanged:
            staging_lake.live.ledger.refresh()
    raise ConflictError(
        f"Other runs kept changing the hours of backfill {staging_lake.backfill.id}. Resume it when they have ended."
    )


def _stage(staging_lake: Staging, register: Register, progress: Progress) -> None:
    register.note(staging_lake.backfill, "staging")
    for table in staging_lake.tables():
        progress("start", table)
        for hours_of_day in staging.by_day(staging.unstaged(staging_lake, table)):
            _refuse_cancelled(register, staging_lake.backfill)
            staging.stage(staging_lake, table, hours_of_day)
        progress("done", table)


def _switch(
    staging_lake: Staging, register: Register, diffs: dict[tuple[str, datetime], HourDiff], progress: Progress
) -> None:
    register.note(staging_lake.backfill, "switching")
    for table in staging_lake.tables():
        progress("start", table)
        switch(staging_lake, table, diffs, lambda: _refuse_cancelled(register, staging_lake.backfill))
        progress("done", table)


def _refuse_cancelled(register: Register, backfill: Backfill) -> None:
    if not register.one(backfill.id).in_flight:
        raise ConflictError(f"Backfill {backfill.id} was cancelled meanwhile; hours already switched over stay.")


def _refuse_change(staging_lake: Staging, diffs: dict[tuple[str, datetime], HourDiff]) -> None:
    budget = staging_lake.settings.backfill_change_budget
    waiting = {(t.name, h) for t in staging_lake.tables() for h in staging_lake.waiting(t)}
    over = [(d, d.over(budget)) for d in compare.in_order(diffs) if (d.table, d.hour) in waiting and d.over(budget)]
    if over and not staging_lake.backfill.accepted:
        worst, changes = max(over, key=lambda pair: max(pair[1].values()))
        name, share = max(changes.items(), key=lambda pair: pair[1])
        raise GateFailed(
            f"{len(over)} table-hours change by more than {budget:.2%}. The largest change is {name} of {worst.table} "
            f"in {worst.hour:%Y-%m-%dT%H}, by {share:.1%}. They were not switched over. Look at `feed-etl backfill "
            f"diff {staging_lake.backfill.id}`, then run `feed-etl backfill run --resume {staging_lake.backfill.id} "
            "--accept-changes`, or cancel the backfill."
        )


def cancel(spark: SparkSession, settings: Settings, backfill_id: str) -> tuple[Backfill, dict[str, int]]:
    """Cancel a backfill. Returns it and how many hours of each table were switched over before; these stay.

    Raises ConfigError when the backfill has ended.
    """
    live, register = open_lake(spark, settings)
    backfill = register.one(backfill_id)
    if not backfill.in_flight:
        raise ConfigError(f"Backfill {backfill.id} is {backfill.state} already.")
    cancelled = register.note(backfill, "cancelled")
    staging_lake = staging.open_staging(live, backfill)
    for table in staging_lake.tables():
        recover(live, table)
    live.ledger.flush()
    staging.discard(spark, files.absolute(settings.lake), backfill.id)
    return cancelled, {t.name: len(staging_lake.switched(t)) for t in staging_lake.tables()}


def differences(spark: SparkSession, settings: Settings, backfill_id: str) -> list[HourDiff]:
    """Return the last comparison of a backfill, inputs before outputs. Raises ConfigError when there is none yet."""
    live, register = open_lake(spark, settings)
    backfill = register.one(backfill_id)
    diffs = compare.stored(spark, staging.lake_of(files.absolute(live.settings.lake), backfill.id))
    if not diffs:
        raise ConfigError(f"Backfill {backfill.id} has not been compared yet; it is {backfill.state}.")
    return compare.in_order(diffs)


def progress_of(
    spark: SparkSession, settings: Settings, backfill_id: str | None = None
) -> list[tuple[Backfill, dict[str, int]]]:
    """Return all backfills, or one, with the number of its table-hours that are planned, staged and switched over."""
    live, register = open_lake(spark, settings)
    chosen = [register.one(backfill_id)] if backfill_id else register.all()
    return [(b, _counts(live, b)) for b in chosen]


def _counts(live: RunContext, backfill: Backfill) -> dict[str, int]:
    lake = staging.lake_of(files.absolute(live.settings.lake), backfill.id)
    ledger = Ledger(live.spark, lake) if delta.is_table(live.spark, f"{lake}/_ledger") else None
    return {
        "planned": sum(map(len, backfill.hours.values())),
        "staged": sum(len(ledger.fingerprints(name)) for name in backfill.hours) if ledger else 0,
        "switched": sum(len(staging.switched(live.ledger, backfill, name)) for name in backfill.hours),
    }
