"""Finds the open problems of a lake in its ledger, erasure receipts, failure log, held log and outbox."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.spark.files import absolute
from etl.engine.state.entry import Entry
from etl.errors import ConfigError, FeedEtlError, lasting
from etl.operations.erasure import register
from etl.reports import failure_log, held_log, problems, quality_reports, waiting
from etl.reports.failure_log import Command, CommandFailure
from etl.reports.outbox import Outbox
from etl.reports.problems import Problem


def note(settings: Settings, words: str, code: int | None) -> None:
    """Record a command that a scheduler saw fail, unless its exit code says that the command recorded it itself.

    Raises ConfigError when the words are not quoted as in a shell.
    """
    if code not in problems.BY_CODE:
        try:
            failed = failure_log.of_words(shlex.split(words))
        except ValueError as error:
            raise ConfigError(f"--failed-command cannot be read: {error}. Quote its words as in a shell.") from error
        failure_log.note(settings, failed, code, "killed" if code in (None, 137, -9) else "ended in the middle")


def require_lake(spark: Callable[[], SparkSession], settings: Settings) -> None:
    """Raises LakeError when there is no lake, and no command failed before a lake existed."""
    if not Outbox(settings).folder.exists():
        quality_reports.ledger_rows(spark(), settings)


def find(
    spark: Callable[[], SparkSession], settings: Settings, now: datetime | None = None
) -> tuple[list[Entry], list[Problem], datetime]:
    """The ledger, all open problems, and the instant of both. A ledger that cannot be read is a problem, too."""
    now = now or datetime.now(UTC)
    found = problems.of_commands(failure_log.failures(settings))
    found += [*problems.of_outbox(Outbox(settings), now), *problems.of_held(held_log.read(settings))]
    try:
        session = spark()
        ledger = quality_reports.ledger(session, settings)
        entries = ledger.entries
        found += problems.of_ledger(settings, entries, now)
        failing = {each.subject for each in found if each.kind in (problems.GATE, problems.ERROR)}
        found += waiting.problems(settings, waiting.of_lake(session, settings, ledger, now), now, failing)
        found += problems.of_erasures(register.receipts(session, absolute(settings.lake)))
    except FeedEtlError as error:
        failed = CommandFailure(Command("report failures"), error.exit_code, lasting(error), now, now)
        return [], [*found, *problems.of_commands([failed])], now
    return entries, found, now
