"""The metrics of a run for OpenTelemetry: rows, records, seconds, quarantine share, gate failures, lag and backlog."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.conf import Settings
from etl.engine.state.entry import Entry
from etl.errors import first_line
from etl.telemetry import otel

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from pyspark.sql import SparkSession

    from etl.engine.jobs.summary import Summary
    from etl.engine.state.ledger import Ledger

log = logging.getLogger("feed_etl")


def measure(spark: SparkSession, settings: Settings, summary: Summary) -> None:
    """Record the metrics of a run, when OpenTelemetry is switched on. A problem is a warning: the run is complete."""
    meter = otel.meter()
    if meter is None:
        return
    try:
        _measure(meter, spark, settings, summary)
    except Exception as error:
        log.warning("OpenTelemetry: the metrics of this run are not complete: %s", first_line(error))


def _measure(meter: Meter, spark: SparkSession, settings: Settings, summary: Summary) -> None:
    from etl.engine.spark.files import absolute
    from etl.engine.state.ledger import Ledger

    of_entries(meter, summary.entries)
    errors = meter.create_counter("feed_etl.errors", "{error}", "Tables that could not be made, by class of error")
    for name, error in summary.errors.items():
        errors.add(1, {"table": name, "error.type": type(error).__name__})
    of_ledger(meter, Ledger.existing(spark, absolute(settings.lake)), datetime.now(UTC))


def of_entries(meter: Meter, entries: list[Entry]) -> None:
    """What the run did to each table."""
    rows = meter.create_counter("feed_etl.rows", "{row}", "Rows written")
    records = meter.create_counter("feed_etl.records", "{record}", "Landed records, accepted or quarantined")
    seconds = meter.create_histogram("feed_etl.table.duration", "s", "Seconds to make a table")
    share = meter.create_gauge("feed_etl.quarantine.share", "1", "Quarantined records per record read")
    failures = meter.create_counter("feed_etl.gate.failures", "{rule}", "Rules that failed")
    for entry in entries:
        table = {"table": entry.table_name}
        rows.add(entry.rows_written, table)
        seconds.record(entry.seconds, table)
        if entry.records_read:
            records.add(entry.records_accepted, {**table, "outcome": "accepted"})
            records.add(entry.records_quarantined, {**table, "outcome": "quarantined"})
            share.set(entry.records_quarantined / entry.records_read, table)
        for failure in json.loads(entry.failures):
            failures.add(1, {**table, "rule": failure["rule"], "severity": failure["severity"]})


def of_ledger(meter: Meter, ledger: Ledger, now: datetime) -> None:
    """How far each table is behind the clock, and behind the landing zone."""
    from etl.engine.state import backlog, planner
    from etl.reports import freshness

    lag = meter.create_gauge("feed_etl.lag", "s", "Seconds since the end of the newest hour of a table")
    due = meter.create_gauge("feed_etl.backlog", "{hour}", "Hours (days) of a table that are due")
    age = meter.create_gauge("feed_etl.backlog.age", "s", "Seconds that the oldest due hour of a table has waited")
    waiting = backlog.of_ledger(ledger)
    for each in freshness.of_tables(ledger):
        table = {"table": each.table.name}
        if each.newest:
            end = each.newest + (24 if each.table.daily else 1) * planner.HOUR
            lag.set(max(0.0, (now - end).total_seconds()), table)
        due.set(each.behind_hours or 0, table)
        if each.table.name in waiting:
            age.set(waiting[each.table.name].age(now).total_seconds(), table)
