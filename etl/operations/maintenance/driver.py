"""Runs the steps of maintenance. Each step plans its actions, then each action is shown and done.

A step is planned after the step before it is done. A dry run plans all steps on the lake as it is. After a kill, run
maintenance again.
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
from etl.operations.maintenance import (
    compact,
    compact_changelog,
    compact_ledger,
    question_log,
    results,
    sweep,
    vacuum,
)
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
    compact_ledger.plan,
    results.plan,
    question_log.plan,
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
    """Maintain a lake and return the actions.

    `now` is the time that deadlines count from; None means the end of the newest landed hour. `yes` also does actions
    that remove a large share of a table. When an action fails, the others are still done, then its error is raised.
    Raises ConfigError when `now` is in the future, LakeError when there is no lake.
    """
    window.refuse_future(now)
    context, register = backfills.open_lake(spark, settings)
    for table in window.tables(context):
        recover(context, table)
    if not dry_run:
        staged.remove_dead(spark, settings)
    actions, errors = [], []
    for step in STEPS:
        if not dry_run:
            context.ledger.flush()
        for action in step(window.look(context, [b for b in register.all() if b.in_flight], now, yes)):
            show(action)
            actions.append(action)
            if action.do and not dry_run:
                errors += _try(context, action)
    if errors:
        others = f" ({len(errors) - 1} more failed, see the log)" if len(errors) > 1 else ""
        raise type(errors[0])(f"{errors[0]}{others}. All else was done.") from errors[0]
    return actions


def _try(context: RunContext, action: Action) -> list[FeedEtlError]:
    """Do an action. Log and return its error, so that the next action can run."""
    try:
        do(context, action)
    except FeedEtlError as error:
        log.error("maintenance: %s of %s failed: %s", action.step, action.place, error)
        return [error]
    return []


def do(context: RunContext, action: Action) -> None:
    """Do an action. After a conflict with a run, do it again: the action reads the table again each time."""
    assert action.do
    try:
        for attempt in attempts():
            with attempt, delta.translate_conflicts(action.place):
                action.do()
    finally:
        context.ledger.flush()
