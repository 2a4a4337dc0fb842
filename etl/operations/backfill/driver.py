"""A backfill from declaration to switch-over. Killed at any point it goes on where it was; see docs/backfill.md."""

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
from etl.operations.backfill.switch import Moved, switch

ATTEMPTS = 6  # how often hours that other runs change meanwhile are built again
Progress = Callable[[str, Table], None]


def quiet(_state: str, _table: Table) -> None:
    """No progress shown."""


def open_lake(spark: SparkSession, settings: Settings) -> tuple[RunContext, Register]:
    """The live lake and its register. Raises LakeError when there is no lake yet."""
    lake = files.absolute(settings.lake)
    Ledger.existing(spark, lake)
    return runner.open_context(spark, settings), Register(spark, lake)


def declare(
    spark: SparkSession, settings: Settings, request: Request, owner: str, reason: str, yes: bool = False
) -> Backfill | None:
    """Plan a request and write it down; None when there is nothing to do. Every refusal comes before any write."""
    context, register = open_lake(spark, settings)
    made = plan.make(context, request)
    if not made.steps:
        return None
    _refuse_cost(made, settings, yes)
    new = _new(context, made, owner, reason)
    register.refuse_overlap(new)
    register.declare(new)
    return new


def _refuse_cost(made: Plan, settings: Settings, yes: bool) -> None:
    if made.days > settings.backfill_days_without_yes and not yes:
        raise ConfigError(
            f"This rebuilds {made.days} days, more than {settings.backfill_days_without_yes} "
            "(backfill_days_without_yes). Look at `feed-etl backfill plan`, then add --yes."
        )


def _new(context: RunContext, made: Plan, owner: str, reason: str) -> Backfill:
    request = made.request
    tables = [catalog.entry(name).table for name in made.hours]
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
        hours=made.hours,
        versions={t.name: delta.current_version(context.spark, context.uri(t)) for t in tables},
    )


def go_on(
    spark: SparkSession, settings: Settings, backfill_id: str, accept: bool = False, progress: Progress = quiet
) -> Backfill:
    """Do what is left of a backfill. Raises GateFailed when a gate fails or measures change by more than the budget."""
    live, register = open_lake(spark, settings)
    backfill = register.one(backfill_id)
    if not backfill.in_flight:
        raise ConfigError(f"Backfill {backfill.id} is {backfill.state} already; declare a new one.")
    if accept and not backfill.accepted:
        backfill = register.accept(backfill)
    live.run_id = backfill.id
    place = staging.open_staging(live, backfill)
    for table in place.tables():
        ddl.ensure(spark, table, live.uri(table))
        recover(live, table)
    live.ledger.flush()
    try:
        _stage_and_switch(place, register, progress)
    except FeedEtlError as error:
        if register.one(backfill.id).in_flight:
            register.note(backfill, "stopped", first_line(getattr(error, "lasting", error), 2000))
        raise
    staging.discard(spark, files.absolute(settings.lake), backfill.id)
    return register.note(backfill, "done")


def _stage_and_switch(place: Staging, register: Register, progress: Progress) -> None:
    backfill = place.backfill
    for _ in range(ATTEMPTS):
        _stage(place, register, progress)
        diffs = compare.renew(place)
        _refuse_change(place, diffs)
        register.note(backfill, "switching")
        try:
            for table in place.tables():
                progress("start", table)
                switch(place, table, diffs, lambda: _refuse_cancelled(register, backfill))
                progress("done", table)
            return
        except Moved:
            place.live.ledger.refresh()
    raise ConflictError(
        f"Other runs kept changing the hours of backfill {backfill.id}; resume it when they are through."
    )


def _stage(place: Staging, register: Register, progress: Progress) -> None:
    register.note(place.backfill, "staging")
    for table in place.tables():
        progress("start", table)
        for lot in staging.by_day(staging.unstaged(place, table)):
            _refuse_cancelled(register, place.backfill)
            staging.stage(place, table, lot)
        progress("done", table)


def _refuse_cancelled(register: Register, backfill: Backfill) -> None:
    if not register.one(backfill.id).in_flight:
        raise ConflictError(f"Backfill {backfill.id} was cancelled meanwhile; hours already switched over stay.")


def _refuse_change(place: Staging, diffs: dict[tuple[str, datetime], HourDiff]) -> None:
    budget = place.settings.backfill_change_budget
    waiting = {(t.name, h) for t in place.tables() for h in place.waiting(t)}
    over = [(d, d.over(budget)) for d in compare.in_order(diffs) if (d.table, d.hour) in waiting and d.over(budget)]
    if over and not place.backfill.accepted:
        worst, shares = max(over, key=lambda found: max(found[1].values()))
        name, share = max(shares.items(), key=lambda found: found[1])
        raise GateFailed(
            f"{len(over)} table-hours change by more than {budget:.2%}, most {name} of {worst.table} in "
            f"{worst.hour:%Y-%m-%dT%H} by {share:.1%}. They were not switched over. Look at `feed-etl backfill diff "
            f"{place.backfill.id}`, then `feed-etl backfill run --resume {place.backfill.id} --accept-changes`, "
            "or cancel it."
        )


def cancel(spark: SparkSession, settings: Settings, backfill_id: str) -> tuple[Backfill, dict[str, int]]:
    """End a backfill; returns it and how many hours of each table had been switched over already (they stay)."""
    live, register = open_lake(spark, settings)
    backfill = register.one(backfill_id)
    if not backfill.in_flight:
        raise ConfigError(f"Backfill {backfill.id} is {backfill.state} already.")
    over = register.note(backfill, "cancelled")
    place = staging.open_staging(live, backfill)
    for table in place.tables():
        recover(live, table)
    live.ledger.flush()
    staging.discard(spark, files.absolute(settings.lake), backfill.id)
    return over, {t.name: len(place.switched(t)) for t in place.tables()}


def differences(spark: SparkSession, settings: Settings, backfill_id: str) -> list[HourDiff]:
    """The last comparison of a backfill, as data flows. Raises ConfigError when nothing has been compared yet."""
    live, register = open_lake(spark, settings)
    backfill = register.one(backfill_id)
    found = compare.stored(spark, staging.lake_of(files.absolute(live.settings.lake), backfill.id))
    if not found:
        raise ConfigError(f"Backfill {backfill.id} has not been compared yet; it is {backfill.state}.")
    return compare.in_order(found)


def progress_of(
    spark: SparkSession, settings: Settings, backfill_id: str | None = None
) -> list[tuple[Backfill, dict[str, int]]]:
    """Backfills with how many of their table-hours are planned, staged and switched over."""
    live, register = open_lake(spark, settings)
    chosen = [register.one(backfill_id)] if backfill_id else register.all()
    return [(b, _counts(live, b)) for b in chosen]


def _counts(live: RunContext, backfill: Backfill) -> dict[str, int]:
    where = staging.lake_of(files.absolute(live.settings.lake), backfill.id)
    ledger = Ledger(live.spark, where) if delta.is_table(live.spark, f"{where}/_ledger") else None
    return {
        "planned": sum(map(len, backfill.hours.values())),
        "staged": sum(len(ledger.fingerprints(name)) for name in backfill.hours) if ledger else 0,
        "switched": sum(len(staging.switched(live.ledger, backfill, name)) for name in backfill.hours),
    }
