"""Maintenance from the first step to the last. What a step would do is planned and said before any of it is done.

Steps are planned one after another, each on what the one before it left; a dry run plans them all on the lake as it is.
Killed anywhere, it is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from pyspark.sql import SparkSession
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from etl.backfill import driver as backfills
from etl.conf import Settings
from etl.engine.runner import CONFLICT_ATTEMPTS
from etl.engine.work import Work, recover
from etl.erasure import sweep
from etl.errors import ConflictError
from etl.maintenance import compact, condense, fold, landing, retention, trim, window
from etl.maintenance.action import Action
from etl.maintenance.window import Window

STEPS: tuple[Callable[[Window], Iterator[Action]], ...] = (
    retention.plan,
    landing.plan,
    sweep.plan,
    condense.plan,
    compact.plan,
    trim.plan,
    fold.plan,
)
Show = Callable[[Action], None]


def maintain(
    spark: SparkSession, settings: Settings, now: datetime | None, dry_run: bool, show: Show = lambda _action: None
) -> list[Action]:
    """Keep a lake. `now` is the end of its newest hour when None. Raises ConfigError when there is no lake."""
    work, register = backfills.open_lake(spark, settings)
    for table in window.tables(work):
        recover(work, table)
    done = []
    for step in STEPS:
        if not dry_run:
            work.ledger.flush()
        for action in step(window.look(work, [b for b in register.all() if b.in_flight], now)):
            show(action)
            done.append(action)
            if action.do and not dry_run:
                _do(work, action)
    return done


def _do(work: Work, action: Action) -> None:
    """One action, again when a run got in between: it reads what it does afresh."""
    tries = Retrying(
        retry=retry_if_exception_type(ConflictError),
        wait=wait_random_exponential(multiplier=0.5, max=10),
        stop=stop_after_attempt(CONFLICT_ATTEMPTS),
        reraise=True,
    )
    assert action.do
    try:
        tries(action.do)
    finally:
        work.ledger.flush()
