"""The audit of a staged batch: the gate judges it, and its content is summed for the ledger, in one Spark job."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import DataFrame

from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.checksums import Content
from etl.engine.jobs import history_audit
from etl.engine.jobs.history_audit import Batch
from etl.engine.jobs.run_context import RunContext, log, record
from etl.engine.quality import gate, measuring, suites
from etl.engine.quality.history_rules import HistoryRule
from etl.engine.quality.measuring import Measured
from etl.engine.quality.verdict import Failure, Verdict
from etl.engine.spark.files import absolute
from etl.engine.state.entry import Entry
from etl.errors import ContractViolation, GateFailed
from etl.model.contract import Table
from etl.telemetry import spans


@dataclass(frozen=True)
class Audit:
    """What the audit of a batch found: the verdict of the gate, hour -> rows and checksum, and measures by hour."""

    verdict: Verdict
    contents: dict[datetime, Content]
    measured: Measured = field(default_factory=dict)


@spans.span("audit")
def audited(context: RunContext, table: Table, batch: DataFrame, hours: Collection[datetime]) -> Audit:
    """Judge a batch, sum its content and measure it, in one job when it has few hours.

    hours: all hours that it may have.
    """
    rules = _measured_rules(table)
    if len(hours) > checksums.MAX_HOURS:
        found = measuring.of_many_hours(batch, table, rules) if rules else {}
        return Audit(judged(context, table, batch), checksums.by_hour(batch, table), found)
    if not hours:
        return Audit(judged(context, table, batch), {})
    sums = checksums.Sums(table, tuple(sorted(hours)))
    values = measuring.expression(table, sums.hours, rules)
    verdict = judged(context, table, sums.hashed(batch), f"struct({sums.expression}, {values})")
    if verdict.measured is None:
        return Audit(verdict, checksums.by_hour(batch, table))
    content, found = verdict.measured
    return Audit(verdict, sums.contents(content), measuring.by_hour(found, sums.hours, rules))


def _measured_rules(table: Table) -> list[HistoryRule]:
    """The rules about history that need measures of the batch. None for a malformed suite: the gate says so."""
    try:
        return [rule.history for rule in suites.history(table) if rule.history.is_measured]
    except ContractViolation:
        return []


def judged(context: RunContext, table: Table, batch: DataFrame, measure: str = "") -> Verdict:
    """The verdict of the gate on a batch. References are looked up in the published dimensions.

    A missing or malformed suite is a critical failure, not an exception. measure: see `gate.judge`.
    """
    for ref in table.references:
        context.read(ref.to).createOrReplaceTempView(ref.to.name)
    try:
        return gate.judge(batch, suites.suite(table), measure)
    except ContractViolation as error:
        why = "A batch without an audit is not published."
        return Verdict(0, [Failure("suite", "critical", why, None, None, [], str(error))])


def enforce(context: RunContext, table: Table, batch: DataFrame, entry: Entry, verdict: Verdict) -> None:
    """Note a verdict in the ledger row. When it is negative, keep the batch in `_rejected` and raise GateFailed."""
    entry.rules, entry.failures = verdict.rules, verdict.as_json()
    entry.metrics["gate_seconds"] = round(verdict.seconds, 3)
    for failure in verdict.failures:
        log.warning("%s: %s %s", table.name, failure.severity, failure)
    if not verdict.passed:
        _reject(context, table, batch, entry, verdict)


def pass_gate(
    context: RunContext,
    table: Table,
    batch: DataFrame,
    entry: Entry,
    hours: Collection[datetime] = (),
    extra: list[Failure] | None = None,
) -> dict[datetime, Content]:
    """Audit a batch with the `extra` failures that the job itself found, and enforce the verdict.

    hours: all hours that the batch may have; returns their content. Raises GateFailed when a critical rule failed or a
    rule could not be evaluated.
    """
    audit = audited(context, table, batch, hours)
    whole = {hour: audit.contents.get(hour, Content()) for hour in entry.processed_hours}
    failures = [*(extra or []), *compared(context, table, entry, audit, whole)]
    enforce(context, table, batch, entry, audit.verdict.with_failures(failures))
    return audit.contents


def compared(
    context: RunContext, table: Table, entry: Entry, audit: Audit, after: Mapping[datetime, Content]
) -> list[Failure]:
    """The failures of rules about history. after: hour -> content after the publish, of the hours that change."""
    return history_audit.failures(context, table, entry, Batch(audit.contents, audit.measured), after)


def _reject(context: RunContext, table: Table, batch: DataFrame, entry: Entry, verdict: Verdict) -> None:
    """Keep a batch that failed its audit, record it, and raise GateFailed with two texts: with and without samples."""
    uri = f"{absolute(context.settings.lake)}/_rejected/{table.name}/{context.run_id}"
    batch.write.format("delta").mode("overwrite").save(uri)
    entry.metrics["rows_refused"] = float(delta.read(context.spark, uri).count())
    blocking = [f for f in verdict.failures if f.severity == "critical" or f.error]
    record(context, entry, "failed", f"batch kept at {uri}")
    with_samples, without_samples = (
        f"{table.name} failed its gate and was not published: {'; '.join(failures)}. The batch is kept at {uri}"
        for failures in (map(str, blocking), (f.counted for f in blocking))
    )
    raise GateFailed(with_samples, without_samples)
