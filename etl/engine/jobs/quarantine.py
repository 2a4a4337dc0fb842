"""Publishes the records of landed hours that are not accepted, with every reason, to the table quarantine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from etl import catalog
from etl.engine.delta import checksums
from etl.engine.delta.partitions import in_hours
from etl.engine.jobs import ddl
from etl.engine.jobs.audit import pass_gate
from etl.engine.jobs.reading import Reading
from etl.engine.jobs.run_context import RunContext, publish, record
from etl.engine.landing import faults, records
from etl.engine.people import suppression
from etl.engine.spark import files
from etl.engine.state.entry import NEW_VALUE, REASON, Entry
from etl.model.contract import Event, Table

OUT_OF_SET = "out_of_set:"
MAX_NEW_VALUES = 20
"""Values outside of a set that one ledger row names."""


def write(context: RunContext, reading: Reading, accepted: dict[datetime, int], entry: Entry) -> dict[datetime, int]:
    """Replace the quarantine rows of the landed hours; returns their number by landed hour.

    Quarantine is published even when the audit of the event's own table fails afterwards, so that its rows tell why.
    """
    table = catalog.entry("quarantine").table
    txn = context.transaction(table)
    txn.remove(f"event = '{reading.event.name}' AND {in_hours(table, entry.processed_hours)}")
    is_clean = not reading.bad_files and sum(accepted.values()) == sum(reading.record_counts.values())
    if is_clean and txn.is_empty:
        return {}
    quarantine_entry = context.begin(table)
    rows = _unreadable_files(context, reading, table)
    if not is_clean:
        rows = _bad_records(context, reading, table).unionByName(rows)
    staged = txn.stage(ddl.conform(rows.coalesce(1), table))
    counts = staged.groupBy("landed_hour", "reasons").count().collect()
    quarantine_entry.metrics |= _by_reason(counts)
    entry.metrics |= _new_values(staged, reading.event, quarantine_entry.reasons)
    quarantine_entry.processed_hours = entry.processed_hours
    pass_gate(context, table, staged, quarantine_entry)
    quarantine_entry.affected_hours[table.hour] = entry.processed_hours
    publish(context, table, txn, quarantine_entry, {})
    by_hour = _by_hour(counts)
    quarantine_entry.rows_written = sum(by_hour.values())
    record(context, quarantine_entry)
    return by_hour


def _by_reason(counts: list[Row]) -> dict[str, float]:
    """Ledger metric -> quarantined records with that reason. A record with several reasons counts once for each."""
    found: Counter[str] = Counter()
    for row in counts:
        found.update({REASON + reason: row["count"] for reason in row["reasons"]})
    return {reason: float(count) for reason, count in found.items()}


def _new_values(staged: DataFrame, event: Event, reasons: Iterable[str]) -> dict[str, float]:
    """Ledger metric -> quarantined records with a value outside of a set, of the most frequent values.

    Only a batch with such a record needs the Spark job.
    """
    fields = [f.name for f in event.fields if f.values and f"{OUT_OF_SET}{f.name}" in reasons]
    if not fields:
        return {}
    values = [
        F.when(
            F.array_contains("reasons", f"{OUT_OF_SET}{name}"),
            F.concat(
                F.lit(f"{NEW_VALUE}{name}="), F.substring(F.get_json_object("raw", f"$.{name}"), 1, records.MAX_NAME)
            ),
        )
        for name in fields
    ]
    seen = staged.select(F.explode(F.array_compact(F.array(*values))).alias("value")).groupBy("value").count()
    return {
        r["value"]: float(r["count"]) for r in seen.orderBy(F.desc("count"), "value").limit(MAX_NEW_VALUES).collect()
    }


def _by_hour(counts: list[Row]) -> dict[datetime, int]:
    """Landed hour -> quarantined records and files."""
    found: Counter[datetime] = Counter()
    for row in counts:
        found[checksums.as_hour(row["landed_hour"])] += row["count"]
    return found


def _unreadable_files(context: RunContext, reading: Reading, table: Table) -> DataFrame:
    """A quarantine row for each unreadable file."""
    rows = [(reading.event.name, hour, file.uri, None, ["unreadable_file"]) for hour, file in reading.bad_files]
    return context.spark.createDataFrame(rows, ddl.schema(table))


def _bad_records(context: RunContext, reading: Reading, table: Table) -> DataFrame:
    """A quarantine row for each record that is not accepted, without the values of erased people."""
    event = reading.event
    rows = (
        reading.records.where(faults.is_bad(event, context.settings))
        .withColumn("reasons", faults.reasons(event, context.settings))
        .withColumn("raw", F.make_valid_utf8("raw"))
        .withColumn("event", F.lit(event.name))
    )
    erased_people = suppression.load(context.spark, files.absolute(context.settings.lake))
    return catalog.entry(table.name).transform(suppression.redact(rows, event, erased_people))
