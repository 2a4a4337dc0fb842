"""What the audit of landed hours asks besides the rules of a suite: unreadable files, bad records, late hours."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

from etl.engine.jobs.reading import Reading
from etl.engine.jobs.run_context import RunContext
from etl.engine.landing import reader as landing
from etl.engine.quality import completeness
from etl.engine.quality.completeness import LandedHour
from etl.engine.quality.verdict import Failure
from etl.engine.spark import files
from etl.engine.state.entry import Entry
from etl.errors import LandingError
from etl.model.contract import Event, Table


def late_hours(context: RunContext, table: Table, reading: Reading, entry: Entry) -> list[Failure]:
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


def balance(
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
