"""From landed files to a table: read, set bad records aside, gate, publish. Bronze and dwell come in this way."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
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
from etl.engine.state.entry import GONE, REASON, Entry
from etl.errors import LandingError, first_line
from etl.model.contract import Event, MergeAggregate, Table

FEW = 5
BadFile = tuple[datetime, LandedFile]


def pending(context: RunContext, table: Table) -> list[Landed]:
    """Landed hours of the range whose files are not the ones the table was made from, and all that it owes.

    An hour that was read and has no files any more keeps what was read of it: landed files go when their time is up.
    """
    assert table.event and context.interval
    known = context.ledger.fingerprints(table.name)
    first = planner.open_from(context.ledger, table)
    wanted = sorted({*planner.hours_between(*context.interval), *planner.owed(context.ledger, table)})
    hours = [hour for hour in wanted if first is None or hour >= first]
    found = landing.listing(context.spark, context.settings, table.event, hours)
    return [
        part
        for part in found
        if known.get(part.hour.isoformat()) != part.fingerprint and (part.files or part.hour.isoformat() not in known)
    ]


def run(context: RunContext, table: Table) -> Entry | None:
    """Bring a table up to date with its landed files. None when nothing new has landed."""
    _warn_of_passed_over(context, table)
    parts = pending(context, table)
    gone = set(planner.owed(context.ledger, table)) - {part.hour for part in parts}
    if gone:
        _settle(context, table, gone)
    if not parts:
        return None
    context.tune_for(sum(file.size for part in parts for file in part.files) // landing.RECORD_BYTES)
    entry = context.begin(table)
    entry.processed_hours = [part.hour for part in parts]
    entry.fingerprints = {part.hour.isoformat(): part.fingerprint for part in parts}
    try:
        _load(context, table, parts, [], entry)
    except (Py4JJavaError, PySparkException) as error:
        bad = landing.unreadable(context.spark, parts)
        if not bad:
            raise
        log.warning("%s: %d unreadable file(s): %s", table.name, len(bad), first_line(error))
        _load(context, table, _without(parts, bad), bad, entry)
    return record(context, entry)


def _warn_of_passed_over(context: RunContext, table: Table) -> None:
    assert table.event
    if odd := landing.passed_over(context.spark, context.settings, table.event):
        log.warning(
            "%s: nothing reads %s%s in %s: it is no landed hour (%s).", table.name, ", ".join(map(repr, odd[:FEW])),
            f" and {len(odd) - FEW} more" if len(odd) > FEW else "", table.event.name, "hour=2026-06-01T10",
        )  # fmt: skip


def _settle(context: RunContext, table: Table, gone: set[datetime]) -> None:
    """Note that landed hours of a table that was made anew cannot be read again: they stay as they are."""
    entry = context.begin(table)
    entry.fingerprints = {hour.isoformat(): GONE for hour in gone}
    listed = f"{len(gone)} landed hours up to {max(gone).strftime(landing.HOUR)}"
    log.warning("%s: %s have no files any more and stay as they are in the table.", table.name, listed)
    record(context, entry, reason=f"{listed} have no files any more")


def _without(parts: list[Landed], bad: list[BadFile]) -> list[Landed]:
    refused = {file for _, file in bad}
    return [Landed(p.hour, tuple(f for f in p.files if f not in refused)) for p in parts]


def _load(context: RunContext, table: Table, parts: list[Landed], bad: list[BadFile], entry: Entry) -> None:
    event = table.event
    assert event
    strange = [(p.hour, f) for p in parts for f in p.files if not landing.known(f)]
    bad, parts = bad + strange, _without(parts, strange)
    read = landing.read(context.spark, context.settings, event, parts)
    counts, passed = _count(context, table, event, read, parts)
    accepted = read.where(~records.is_bad(event, context.settings))
    txn = context.transaction(table)
    load = _combine if isinstance(table.write, MergeAggregate) else _replace
    batch, contents = load(context, table, txn, accepted, entry)
    taken = {hour: content.rows for hour, content in contents.items()} if passed is None else passed
    clean = not bad and sum(taken.values()) == sum(counts.values())
    quarantined = _quarantine(context, event, None if clean else read, bad, entry)
    entry.records_read = sum(counts.values()) + len(bad)
    entry.records_accepted, entry.records_quarantined = sum(taken.values()), sum(quarantined.values())
    extra = _balance(context, table, counts, taken, quarantined, bad)
    extra += _complete(context, table, parts, counts, bad, entry)
    pass_gate(context, table, batch, entry, extra)
    entry.rows_written = sum(c.rows for c in contents.values())
    publish(context, table, txn, entry, contents)


def _count(
    context: RunContext, table: Table, event: Event, read: DataFrame, parts: list[Landed]
) -> tuple[dict[datetime, int], dict[datetime, int] | None]:
    """Records read by landed hour; and those accepted, unless staged rows will tell (a fold's do not)."""
    asked = [F.count("*").alias("read")]
    if isinstance(table.write, MergeAggregate):
        asked.append(F.count_if(~records.is_bad(event, context.settings)).alias("accepted"))
    found = {checksums.as_hour(r["landed_hour"]): r for r in read.groupBy("landed_hour").agg(*asked).collect()}
    counts = {part.hour: found[part.hour]["read"] if part.hour in found else 0 for part in parts}
    if not isinstance(table.write, MergeAggregate):
        return counts, None
    return counts, {hour: row["accepted"] for hour, row in found.items()}


def _replace(
    context: RunContext, table: Table, txn: Transaction, accepted: DataFrame, entry: Entry
) -> tuple[DataFrame, dict[datetime, Content]]:
    """Stage whole landed hours; returns the staged rows and the content of the hours that change."""
    rows = catalog.entry(table.name).transform(accepted)
    staged = txn.stage(ddl.conform(rows, table))
    found = checksums.by_hour(staged, table)
    contents = {hour: found.get(hour, Content()) for hour in entry.processed_hours}
    txn.remove(in_hours(table, entry.processed_hours))
    return staged, contents


def _combine(
    context: RunContext, table: Table, txn: Transaction, accepted: DataFrame, entry: Entry
) -> tuple[DataFrame, dict[datetime, Content]]:
    """Stage the fold of a batch into the hours it touches; hours that come out the same are left alone."""
    module = catalog.entry(table.name)
    batch = context.kept(table, module.transform(accepted)).persist()
    hours = [checksums.as_hour(r[0]) for r in batch.select(table.hour).distinct().collect()]
    existing = txn.read(in_hours(table, hours))
    folded = batch if existing.isEmpty() else module.module.combine(existing, batch)
    staged = txn.stage(lay_out(ddl.conform(folded, table), table, len(hours)))
    batch.unpersist()
    return staged, keep_changed(context, table, txn, staged, hours)


def _quarantine(
    context: RunContext, event: Event, read: DataFrame | None, bad: list[BadFile], entry: Entry
) -> dict[datetime, int]:
    """Publish what was not accepted, whatever the gate of the event will say; returns counts by landed hour.

    `read` is None when every record was accepted: then there is at most something old to take out.
    """
    table = catalog.entry("quarantine").table
    txn = context.transaction(table)
    txn.remove(f"event = '{event.name}' AND {in_hours(table, entry.processed_hours)}")
    if read is None and not bad and txn.is_empty:
        return {}
    mine = context.begin(table)
    staged = txn.stage(_rejected(context, event, read, bad, table))
    counts = staged.groupBy("landed_hour", "reasons").count().collect()
    mine.metrics |= _by_reason(counts)
    mine.processed_hours = entry.processed_hours
    found: Counter[datetime] = Counter()
    for row in counts:
        found[checksums.as_hour(row["landed_hour"])] += row["count"]
    pass_gate(context, table, staged, mine)
    mine.affected_hours[table.hour] = entry.processed_hours
    publish(context, table, txn, mine, {})
    mine.rows_written = sum(found.values())
    record(context, mine)
    return found


def _by_reason(counts: list[Row]) -> dict[str, float]:
    """How many records were put aside for each reason; one with several counts for each."""
    found: Counter[str] = Counter()
    for row in counts:
        found.update({REASON + reason: row["count"] for reason in row["reasons"]})
    return {reason: float(count) for reason, count in found.items()}


def _rejected(context: RunContext, event: Event, read: DataFrame | None, bad: list[BadFile], table: Table) -> DataFrame:
    """Quarantine rows of the records (and files) that were not accepted."""
    unreadable = [(event.name, hour, file.uri, None, ["unreadable_file"]) for hour, file in bad]
    rejected = context.spark.createDataFrame(unreadable, ddl.schema(table))
    if read is not None:
        records_ = (
            read.where(records.is_bad(event, context.settings))
            .withColumn("reasons", records.reasons(event, context.settings))
            .withColumn("raw", F.make_valid_utf8("raw"))
            .withColumn("event", F.lit(event.name))
        )
        listed = suppression.load(context.spark, files.absolute(context.settings.lake))
        records_ = suppression.redact(records_, event, listed)
        rejected = catalog.entry(table.name).transform(records_).unionByName(rejected)
    return ddl.conform(rejected.coalesce(1), table)


def _complete(
    context: RunContext,
    table: Table,
    parts: list[Landed],
    counts: dict[datetime, int],
    bad: list[BadFile],
    entry: Entry,
) -> list[Failure]:
    """Judge the completeness of the landed hours; those with unreadable files fail anyway, and are not counted."""
    event, settings = table.event, context.settings
    assert event
    broken = {hour for hour, _ in bad}
    found = [LandedHour(p.hour, len(p.files), counts[p.hour]) for p in parts if p.hour not in broken]
    known = completeness.history(context.ledger.published(table.name))
    judged = completeness.judge(settings.completeness, event.name, known, found)
    root = f"{files.absolute(settings.landing)}/{event.name}"
    judged = [
        replace(each, late=completeness.NO_FOLDER)
        if each.late == completeness.NO_FILES and not files.exists(context.spark, f"{root}/{landing.folder(each.hour)}")
        else each
        for each in judged
    ]
    entry.landed = completeness.as_rows(judged)
    return completeness.failures(settings.completeness.of(event.name), judged)


def _balance(
    context: RunContext,
    table: Table,
    counts: dict[datetime, int],
    taken: dict[datetime, int],
    quarantined: dict[datetime, int],
    bad: list[BadFile],
) -> list[Failure]:
    """The three-number balance, the allowed share of bad records and unreadable files, hour by hour."""
    failures = [
        Failure("files_are_readable", "critical", "A file that cannot be read loses records.", 1, 1, [f.uri])
        for _, f in bad
    ]
    unread = {hour: sum(1 for h, _ in bad if h == hour) for hour in counts}
    for hour, records_read in counts.items():
        kept, put_aside = taken.get(hour, 0), quarantined.get(hour, 0) - unread[hour]
        if kept + put_aside != records_read:
            raise LandingError(
                f"{table.name}, hour {hour:%Y-%m-%dT%H}: {records_read} records read, {kept} accepted and {put_aside} "
                "quarantined. A landing file changed while it was read; run again."
            )
        if put_aside > max(1, context.settings.quarantine_share * records_read):  # one bad record never stops an hour
            why = f"At most {context.settings.quarantine_share:.2%} of the records of {hour:%Y-%m-%dT%H} may be bad."
            failures.append(Failure("quarantine_share", "critical", why, put_aside, records_read, []))
    return failures
