"""Maintenance from the first step to the last. What a step would do is planned and said before any of it is done.

Steps are planned one after another, each on what the one before it left; a dry run plans them all on the lake as it is.
Killed anywhere, it is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.delta import staged
from etl.engine.delta import tables as delta
from etl.engine.delta.attempts import attempts
from etl.engine.jobs.recovery import recover
from etl.engine.jobs.run_context import RunContext, log
from etl.errors import FeedEtlError
from etl.operations.backfill import driver as backfills
from etl.operations.maintenance import compact, compact_changelog, fold, sweep, vacuum
from etl.operations.retention import hours as retention
from etl.operations.retention import landing, window
from etl.operations.retention.action import Action
from etl.operations.retention.window import Window

STEPS: tuple[Callable[[Window], Iterator[Action]], ...] = (
    retention.plan,
    landing.plan,
    sweep.plan,
    compact_changelog.plan,
    compact.plan,
    vacuum.plan,
    fold.plan,
)
Show = Callable[[Action], None]


def maintain(
    spark: SparkSession,
    settings: Settings,
    now: datetime | None,
    dry_run: bool,
    show: Show = lambda _action: None,
    yes: bool = False,
) -> list[Action]:
    """Keep a lake. `now` is the end of its newest hour when None; `yes` removes what is much of a table, too.

    Raises ConfigError when `now` has not come yet, LakeError when there is no lake. What fails is told at the end, when
    all else was done.
    """
    window.refuse_future(now)
    context, register = backfills.open_lake(spark, settings)
    for table in window.tables(context):
        recover(context, table)
    if not dry_run:
        staged.remove_dead(spark, settings)
    done, failed = [], []
    for step in STEPS:
        if not dry_run:
            context.ledger.flush()
        for action in step(window.look(context, [b for b in register.all() if b.in_flight], now, yes)):
            show(action)
            done.append(action)
            if action.do and not dry_run:
                failed += _tried(context, action)
    if failed:
        others = f" ({len(failed) - 1} more failed, see the log)" if len(failed) > 1 else ""
        raise type(failed[0])(f"{failed[0]}{others}. All else was done.") from failed[0]
    return done


def _tried(context: RunContext, action: Action) -> list[FeedEtlError]:
    """One thing that cannot be done is in the way of no other."""
    try:
        _do(context, action)
    except FeedEtlError as error:
        log.error("maintenance: %s of %s failed: %s", action.step, action.place, error)
        return [error]
    return []


def _do(context: RunContext, action: Action) -> None:
    """One action, again when a run got in between: it reads what it does afresh."""
    assert action.do
    try:
        for attempt in attempts():
            with attempt, delta.translate_conflicts(action.place):
                action.do()
    finally:
        context.ledger.flush()
