"""The audit of a staged batch: the gate judges it, and its content is summed for the ledger, in one Spark job."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame

from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.checksums import Content
from etl.engine.jobs.run_context import RunContext, log, record
from etl.engine.quality import gate, suites
from etl.engine.quality.verdict import Failure, Verdict
from etl.engine.spark.files import absolute
from etl.engine.state.entry import Entry
from etl.errors import ContractViolation, GateFailed
from etl.model.contract import Table
from etl.telemetry import spans


@dataclass(frozen=True)
class Audit:
    """What the audit of a batch found: the verdict of the gate, and hour -> rows and checksum."""

    verdict: Verdict
    contents: dict[datetime, Content]


@spans.span("audit")
def audited(context: RunContext, table: Table, batch: DataFrame, hours: Collection[datetime]) -> Audit:
    """Judge a batch and sum its content, in one job when it has few hours. hours: all hours that it may have."""
    if len(hours) > checksums.MAX_HOURS:
        return Audit(judged(context, table, batch), checksums.by_hour(batch, table))
    if not hours:
        return Audit(judged(context, table, batch), {})
    sums = checksums.Sums(table, tuple(sorted(hours)))
    verdict = judged(context, table, sums.hashed(batch), sums.expression)
    found = verdict.measured
    return Audit(verdict, checksums.by_hour(batch, table) if found is None else sums.contents(found))


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
    enforce(context, table, batch, entry, audit.verdict.with_failures(extra or []))
    return audit.contents


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
