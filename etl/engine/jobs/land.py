"""Makes a table from landed files: read, quarantine bad records, stage, audit, publish.

Every table that has an event is made here: bronze tables (Replace), and facts that aggregate records (MergeAggregate).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from etl import catalog
from etl.engine.delta import checksums
from etl.engine.delta.checksums import Content
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import ddl
from etl.engine.jobs.run_context import RunContext, in_hours, keep_changed, log, pass_gate, publish, record
from etl.engine.landing import reader as landing
from etl.engine.landing import records
from etl.engine.landing.reader import Landed
from etl.engine.people import suppression
from etl.engine.quality import completeness
from etl.engine.quality.completeness import LandedHour
from etl.engine.quality.gate import Failure
from etl.engine.spark import files
from etl.engine.spark.files import LandedFile
from etl.engine.spark.layout import lay_out
from etl.engine.state import planner
from etl.engine.state.entry import REASON, WITHOUT_FILES, Entry
from etl.errors import LandingError, first_line
from etl.model.contract import Event, MergeAggregate, Table

MAX_NAMES = 5
"""Names that one log line lists; it counts the others."""
BadFile = tuple[datetime, LandedFile]


@dataclass(frozen=True)
class Reading:
    """The records of some landed hours, read but not yet published.

    event: the event of the records. hours: the landed hours with their readable files. bad_files: files that cannot be
    read. records: all records of the readable files. record_counts: landed hour -> records. accepted_counts: landed
    hour -> accepted records; None when the staged rows give this number.
    """

    event: Event
    hours: list[Landed]
    bad_files: list[BadFile]
    records: DataFrame
    record_counts: dict[datetime, int]
    accepted_counts: dict[datetime, int] | None


def pending(context: RunContext, table: Table) -> list[Landed]:
    """Landed hours to read: those of the run's interval whose files changed, and those that the table lacks.

    The table lacks hours when it was recreated (see `planner.missing_hours`). An hour that was read once and has no
    files any more is not read again, and its rows stay: retention removes landed files.
    """
    assert table.event and context.interval
    known = context.ledger.fingerprints(table.name)
    first = planner.open_from(context.ledger, table)
    wanted = sorted({*planner.hours_between(*context.interval), *planner.missing_hours(context.ledger, table)})
    hours = [hour for hour in wanted if first is None or hour >= first]
    found = landing.listing(context.spark, context.settings, table.event, hours)
    return [landed for landed in found if _is_changed(landed, known.get(landed.hour.isoformat()))]


def _is_changed(landed: Landed, fingerprint: str | None) -> bool:
    """Whether the files of an hour differ from those of the fingerprint that it was read with (None: never read)."""
    return landed.fingerprint != fingerprint and (bool(landed.files) or fingerprint is None)


def run(context: RunContext, table: Table) -> Entry | None:
    """Bring a table up to date with its landed files. None when nothing new has landed."""
    _warn_of_ignored_names(context, table)
    hours = pending(context, table)
    _note_hours_without_files(context, table, hours)
    if not hours:
        return None
    context.tune_for(sum(file.size for landed in hours for file in landed.files) // landing.RECORD_BYTES)
    entry = context.begin(table)
    entry.processed_hours = [landed.hour for landed in hours]
    entry.fingerprints = {landed.hour.isoformat(): landed.fingerprint for landed in hours}
    _load_readable(context, table, hours, entry)
    return record(context, entry)


def _warn_of_ignored_names(context: RunContext, table: Table) -> None:
    assert table.event
    if ignored := landing.ignored_names(context.spark, context.settings, table.event):
        log.warning(
            "%s: no run reads %s%s in %s: a folder of a landed hour is named like %s.", table.name,
            ", ".join(map(repr, ignored[:MAX_NAMES])),
            f" and {len(ignored) - MAX_NAMES} more" if len(ignored) > MAX_NAMES else "",
            table.event.name, "hour=2026-06-01T10",
        )  # fmt: skip


def _note_hours_without_files(context: RunContext, table: Table, pending_hours: list[Landed]) -> None:
    """Record the hours that a recreated table lacks and that have no files any more: no run can read them again."""
    without_files = set(planner.missing_hours(context.ledger, table)) - {landed.hour for landed in pending_hours}
    if not without_files:
        return
    entry = context.begin(table)
    entry.fingerprints = {hour.isoformat(): WITHOUT_FILES for hour in without_files}
    listed = f"{len(without_files)} landed hours up to {max(without_files).strftime(landing.HOUR)}"
    log.warning("%s: %s have no files any more. Their rows in the table stay.", table.name, listed)
    record(context, entry, reason=f"{listed} have no files any more")


def _load_readable(context: RunContext, table: Table, hours: list[Landed], entry: Entry) -> None:
    """Load all files. When that fails because of unreadable files, load the others and quarantine the unreadable ones.

    A failure is the only sign of an unreadable file: to check each file before would read every file twice.
    """
    try:
        _load(context, table, hours, [], entry)
    except (Py4JJavaError, PySparkException) as error:
        bad_files = landing.unreadable(context.spark, hours)
        if not bad_files:
            raise
        log.warning("%s: %d unreadable file(s): %s", table.name, len(bad_files), first_line(error))
        _load(context, table, _without(hours, bad_files), bad_files, entry)


def _without(hours: list[Landed], bad_files: list[BadFile]) -> list[Landed]:
    """The same landed hours without the bad files."""
    bad = {file for _, file in bad_files}
    return [Landed(landed.hour, tuple(f for f in landed.files if f not in bad)) for landed in hours]


def _load(context: RunContext, table: Table, hours: list[Landed], bad_files: list[BadFile], entry: Entry) -> None:
    """Write-audit-publish for the records of landed hours; quarantine the records that are not accepted."""
    reading = _read(context, table, hours, bad_files)
    txn = context.transaction(table)
    staged, contents = _stage(context, table, txn, reading, entry)
    accepted = reading.accepted_counts
    if accepted is None:
        accepted = {hour: content.rows for hour, content in contents.items()}
    quarantined = _quarantine(context, reading, accepted, entry)
    _note_counts(entry, reading, accepted, quarantined)
    failures = _balance(context, table, reading, accepted, quarantined)
    failures += _late_hours(context, table, reading, entry)
    pass_gate(context, table, staged, entry, failures)
    entry.rows_written = sum(content.rows for content in contents.values())
    publish(context, table, txn, entry, contents)


def _read(context: RunContext, table: Table, hours: list[Landed], bad_files: list[BadFile]) -> Reading:
    """Read and count the records of some landed hours. A file of an unknown format is a bad file."""
    assert table.event
    unknown = [(landed.hour, f) for landed in hours for f in landed.files if not landing.known(f)]
    readable = _without(hours, unknown)
    rows = landing.read(context.spark, context.settings, table.event, readable)
    record_counts, accepted_counts = _count(context, table, table.event, rows, readable)
    return Reading(table.event, readable, bad_files + unknown, rows, record_counts, accepted_counts)


def _count(
    context: RunContext, table: Table, event: Event, rows: DataFrame, hours: list[Landed]
) -> tuple[dict[datetime, int], dict[datetime, int] | None]:
    """Count records by landed hour: all of them, and the accepted ones.

    The second is None where one accepted record is one staged row. A MergeAggregate table has fewer rows than records.
    """
    is_merged = isinstance(table.write, MergeAggregate)
    counts = [F.count("*").alias("read")]
    if is_merged:
        counts.append(F.count_if(~records.is_bad(event, context.settings)).alias("accepted"))
    found = {checksums.as_hour(r["landed_hour"]): r for r in rows.groupBy("landed_hour").agg(*counts).collect()}
    record_counts = {each.hour: found[each.hour]["read"] if each.hour in found else 0 for each in hours}
    return record_counts, {hour: row["accepted"] for hour, row in found.items()} if is_merged else None


def _stage(
    context: RunContext, table: Table, txn: Transaction, reading: Reading, entry: Entry
) -> tuple[DataFrame, dict[datetime, Content]]:
    """Stage the accepted records; returns the staged rows and the content of the hours that change."""
    accepted = reading.records.where(~records.is_bad(reading.event, context.settings))
    if isinstance(table.write, MergeAggregate):
        return _merge_aggregate(context, table, table.write, txn, accepted)
    return _replace(table, txn, accepted, entry)


def _replace(
    table: Table, txn: Transaction, accepted: DataFrame, entry: Entry
) -> tuple[DataFrame, dict[datetime, Content]]:
    """Stage whole landed hours; returns the staged rows and the content of the hours that change."""
    rows = catalog.entry(table.name).transform(accepted)
    staged = txn.stage(ddl.conform(rows, table))
    found = checksums.by_hour(staged, table)
    contents = {hour: found.get(hour, Content()) for hour in entry.processed_hours}
    txn.remove(in_hours(table, entry.processed_hours))
    return staged, contents


def _note_counts(
    entry: Entry, reading: Reading, accepted: dict[datetime, int], quarantined: dict[datetime, int]
) -> None:
    """Note how many records were read, accepted and quarantined. An unreadable file counts as one record."""
    entry.records_read = sum(reading.record_counts.values()) + len(reading.bad_files)
    entry.records_accepted = sum(accepted.values())
    entry.records_quarantined = sum(quarantined.values())


def _merge_aggregate(
    context: RunContext, table: Table, write: MergeAggregate, txn: Transaction, accepted: DataFrame
) -> tuple[DataFrame, dict[datetime, Content]]:
    """Merge a batch into the published rows of its hours, and stage these hours; unchanged hours are not published."""
    batch = context.without_removed_hours(table, catalog.entry(table.name).transform(accepted)).persist()
    hours = [checksums.as_hour(r[0]) for r in batch.select(table.hour).distinct().collect()]
    existing = txn.read(in_hours(table, hours))
    merged = batch if existing.isEmpty() else write.combine(existing, batch)
    staged = txn.stage(lay_out(ddl.conform(merged, table), table, len(hours)))
    batch.unpersist()
    return staged, keep_changed(context, table, txn, staged, hours)


def _quarantine(
    context: RunContext, reading: Reading, accepted: dict[datetime, int], entry: Entry
) -> dict[datetime, int]:
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
        reading.records.where(records.is_bad(event, context.settings))
        .withColumn("reasons", records.reasons(event, context.settings))
        .withColumn("raw", F.make_valid_utf8("raw"))
        .withColumn("event", F.lit(event.name))
    )
    erased_people = suppression.load(context.spark, files.absolute(context.settings.lake))
    return catalog.entry(table.name).transform(suppression.redact(rows, event, erased_people))


def _late_hours(context: RunContext, table: Table, reading: Reading, entry: Entry) -> list[Failure]:
    """A failure for each late hour; the entry gets what landed in each hour.

    Hours with unreadable files are left out: their batch fails its audit anyway, and their records cannot be counted.
    """
    rules, unreadable = context.settings.completeness, {hour for hour, _ in reading.bad_files}
    landed = [
        LandedHour(each.hour, len(each.files), reading.record_counts[each.hour])
        for each in reading.hours
        if each.hour not in unreadable
    ]
    known = completeness.history(context.ledger.published(table.name))
    judged = completeness.judge(rules, reading.event.name, known, landed)
    judged = [_with_missing_folder(context, reading.event, each) for each in judged]
    entry.landed = completeness.as_rows(judged)
    return completeness.failures(rules.of(reading.event.name), judged)


def _with_missing_folder(context: RunContext, event: Event, landed: LandedHour) -> LandedHour:
    """The same hour, late with `no folder` when its folder is missing. Storage is read only for a late hour."""
    folder = landing.hour_uri(context.settings, event, landed.hour)
    if landed.late != completeness.NO_FILES or files.exists(context.spark, folder):
        return landed
    return replace(landed, late=completeness.NO_FOLDER)


def _balance(
    context: RunContext,
    table: Table,
    reading: Reading,
    accepted: dict[datetime, int],
    quarantined: dict[datetime, int],
) -> list[Failure]:
    """A failure for each unreadable file, and for each hour with too many bad records.

    Raises LandingError when the records read in an hour are not the accepted ones plus the quarantined ones.
    """
    failures = [
        Failure("files_are_readable", "critical", "A file that cannot be read loses records.", 1, 1, [file.uri])
        for _, file in reading.bad_files
    ]
    unreadable_files = Counter(hour for hour, _ in reading.bad_files)
    max_share = context.settings.quarantine_share
    for hour, count in reading.record_counts.items():
        good, bad = accepted.get(hour, 0), quarantined.get(hour, 0) - unreadable_files[hour]
        if good + bad != count:
            raise LandingError(
                f"{table.name}, hour {hour:%Y-%m-%dT%H}: {count} records read, {good} accepted and {bad} "
                "quarantined. A landing file changed while it was read; run again."
            )
        if bad > max(1, max_share * count):  # one bad record never stops an hour
            why = f"At most {max_share:.2%} of the records of {hour:%Y-%m-%dT%H} may be bad."
            failures.append(Failure("quarantine_share", "critical", why, bad, count, []))
    return failures
