"""Measures a question, warns before an expensive one, and logs it. Nothing here changes the answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.conf import Settings
from etl.engine.spark.jvm import as_list
from etl.engine.sql import question_log, scans
from etl.engine.sql.question_log import Question
from etl.engine.sql.scans import Scan
from etl.errors import ConfigError, FeedEtlError, first_line

log = logging.getLogger("feed_etl")
RATE_DAYS = timedelta(days=30)
"""CPU per byte is estimated from the questions of so many days."""
FAILURES = (Py4JError, PySparkException, OSError, FeedEtlError)


@dataclass
class Asked:
    """A question while it is asked. `plan` is called with each DataFrame before it runs."""

    spark: SparkSession
    settings: Settings
    team: str | None
    yes: bool
    scans: list[Scan] = field(default_factory=list)

    def plan(self, frame: DataFrame) -> None:
        """Note what a query reads, and warn when that is much. Raises ConfigError when it needs --yes."""
        try:
            found = scans.of_frame(frame)
        except FAILURES as error:
            log.debug("what the question reads is not known: %s", first_line(error))
            return
        self.scans += found
        for scan in found:
            _warn_of_size(self.settings, scan)
        _ask_for_agreement(self, sum(scan.size for scan in found))


@contextmanager
def asked(
    spark: SparkSession, settings: Settings, command: str, name: str, team: str | None, yes: bool = False
) -> Iterator[Asked]:
    """Ask a question, and log what it cost, also when it fails. A lake that cannot be written fails no question."""
    question = Asked(spark, settings, team, yes)
    started_at, started, before = question_log.utc_now(), time.monotonic(), _task_totals(spark)
    try:
        yield question
    finally:
        _log(question, command, name, started_at, time.monotonic() - started, before)


def log_report(spark: SparkSession, settings: Settings, name: str, team: str | None, seconds: float) -> None:
    """Log a report that this process has made, with all that its Spark session did."""
    started_at = question_log.utc_now() - timedelta(seconds=seconds)
    _log(Asked(spark, settings, team, yes=True), "report", name, started_at, seconds, (0, 0))


def _log(
    question: Asked, command: str, name: str, started_at: datetime, seconds: float, before: tuple[int, int]
) -> None:
    """Log a question in a lake that exists. A lake that cannot be written only gives a debug line."""
    try:
        if question_log.has_lake(question.spark, question.settings):
            row = _row(question, command, name, started_at, seconds, before)
            question_log.append(question.spark, question.settings, row)
    except FAILURES as error:
        log.debug("the cost of the question is not recorded: %s", first_line(error))


def _row(
    question: Asked, command: str, name: str, started_at: datetime, seconds: float, before: tuple[int, int]
) -> Question:
    cpu, size = (after - earlier for after, earlier in zip(_task_totals(question.spark), before, strict=True))
    is_planned = bool(question.scans)
    return Question(
        question_log.new_id(), started_at, question_log.user(), question.team, command, name,
        sorted({scan.table for scan in question.scans}) or _views(question.spark),
        sum(scan.files for scan in question.scans) if is_planned else None,
        sum(scan.size for scan in question.scans) if is_planned else size,
        round(cpu / 1e9, 3), round(seconds, 3),
    )  # fmt: skip


def _views(spark: SparkSession) -> list[str]:
    """The tables that were made views of this session: what a report reads."""
    return sorted(table.name for table in spark.catalog.listTables() if table.isTemporary)


def _task_totals(spark: SparkSession) -> tuple[int, int]:
    """(CPU nanoseconds, bytes read) of all tasks of this process, from the metrics of the stages."""
    context = spark.sparkContext._jsc.sc()
    try:
        context.listenerBus().waitUntilEmpty()
        stages = as_list(spark, context.statusStore().stageList(None, False, False, _no_quantiles(spark), None))
        return sum(s.executorCpuTime() for s in stages), sum(s.inputBytes() for s in stages)
    except Py4JError as error:
        log.debug("the metrics of the stages cannot be read: %s", first_line(error))
        return 0, 0


def _no_quantiles(spark: SparkSession) -> object:
    gateway = spark.sparkContext._gateway
    assert gateway
    return gateway.new_array(gateway.jvm.double, 0)


def _warn_of_size(settings: Settings, scan: Scan) -> None:
    """Warn of a table that is read whole although it is large, and name a condition."""
    table = catalog.entries().get(scan.table)
    if scan.is_pruned or table is None or not table.table.hour or scan.size <= settings.questions.warn_gb * 1e9:
        return
    hour = table.table.hour
    log.warning(
        "%s: the question reads all %s files, %.1f GB. Add a condition, such as %s >= '2026-06-01'.",
        scan.table, f"{scan.files:,}", scan.size / 1e9, hour,
    )  # fmt: skip


def _ask_for_agreement(question: Asked, size: int) -> None:
    """Compare the estimated CPU with what the team has left of its quarter; without a budget there is no limit."""
    budget = question.settings.questions.team_cpu_hours.get(question.team or "")
    if budget is None:
        return
    used, per_byte = _used(question)
    left, estimate = budget - used, size * per_byte / 3600
    if used >= question.settings.questions.warn_share * budget:
        share = 100 * used / budget
        log.warning("%s has used %.0f %% of its %g CPU hours of this quarter.", question.team, share, budget)
    if not question.yes and estimate > question.settings.questions.ask_share * max(left, 0):
        raise ConfigError(
            f"This question needs about {estimate:.2g} CPU hours, and {question.team} has {max(left, 0):.2g} of "
            f"{budget:g} left in this quarter. Narrow it, or give --yes."
        )


def _used(question: Asked) -> tuple[float, float]:
    """(CPU hours of the team in this quarter, CPU seconds per byte of all questions of the last 30 days)."""
    now = question_log.utc_now()
    quarter = datetime(now.year, 3 * ((now.month - 1) // 3) + 1, 1, tzinfo=now.tzinfo)
    own = (F.col("team") == question.team) & (F.col("started_at") >= F.lit(quarter))
    recent = F.col("started_at") >= F.lit(now - RATE_DAYS)
    (row,) = question_log.rows(question.spark, question.settings).agg(
        F.sum(F.when(own, F.col("cpu_seconds"))), F.sum(F.when(recent, F.col("cpu_seconds"))),
        F.sum(F.when(recent, F.col("bytes"))),
    ).collect()  # fmt: skip
    used, cpu, size = (value or 0 for value in row)
    return used / 3600, cpu / size if size else 0.0
