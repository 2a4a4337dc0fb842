"""Builds the quality reports of a day or of a run from the ledger, and writes their mails to the outbox."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.spark.files import absolute
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.errors import ConfigError, no_such
from etl.reports import operations
from etl.reports.outbox import Outbox
from etl.reports.quality import FAILED, ORDER, TableState, owners, states
from etl.reports.quality_mail import OwnerReport, check_addresses, compose

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


def ledger(spark: SparkSession, settings: Settings) -> Ledger:
    """The ledger of the lake. Raises LakeError when there is no lake."""
    return Ledger.existing(spark, absolute(settings.lake))


def ledger_rows(spark: SparkSession, settings: Settings) -> list[Entry]:
    """All rows of the ledger of the lake, oldest first. Raises LakeError when there is no lake."""
    return ledger(spark, settings).entries


def of_day(entries: list[Entry], day: date, owner: str | None = None) -> list[OwnerReport]:
    """A report of the gates of a UTC day for each owner, or for one owner. Raises ConfigError for an unknown owner.

    Only tables of subjects that ran in the lake count. An owner who has none of them gets no report.
    """
    if owner and owner not in owners():
        raise no_such("owner", owner, owners())
    start = datetime.combine(day, time(), UTC)
    ran = set(catalog.of_subjects(operations.subjects(entries)))
    found = {name: state for name, state in states(entries, start, start + DAY).items() if name in ran}
    reports = [OwnerReport(o, day, _worst_first(found, o)) for o in ([owner] if owner else owners())]
    return [report for report in reports if report.states]


def _worst_first(found: dict[str, TableState], owner: str) -> list[TableState]:
    owned = [s for s in found.values() if s.table.owner == owner]
    return sorted(owned, key=lambda s: ORDER.index(s.verdict))


def of_run(entries: list[Entry], run_id: str) -> list[OwnerReport]:
    """A report per owner of the gates that failed in a run, as of that run. Raises ConfigError for an unknown run."""
    run = [e for e in entries if e.run_id == run_id]
    if not run:
        raise ConfigError(f"There is no run {run_id!r} in the ledger. See `feed-etl ledger`.")
    failed = {e.table_name: e for e in run if e.verdict == FAILED}
    by_owner: dict[str, list[TableState]] = {}
    for name, entry in failed.items():
        known = [e for e in entries if e.started_at <= entry.started_at]
        state = states(known, entry.started_at, entry.started_at + INSTANT).get(name)
        if state:
            by_owner.setdefault(state.table.owner, []).append(state)
    day = max((e.started_at for e in failed.values()), default=run[-1].started_at).date()
    return [OwnerReport(owner, day, failed_states, run_id) for owner, failed_states in sorted(by_owner.items())]


def failed_runs(entries: list[Entry], since: datetime) -> list[str]:
    """Ids of the runs with a failed gate that started at `since` or later, oldest first."""
    return list(dict.fromkeys(e.run_id for e in entries if e.verdict == FAILED and e.started_at >= since))


def write(settings: Settings, reports: list[OwnerReport]) -> list[tuple[OwnerReport, Path | None]]:
    """Put the mail of each report into the outbox, and return its path; None when it was written before.

    Raises ConfigError when an address is missing, MailError when the outbox cannot be written.
    """
    check_addresses(settings)
    outbox = Outbox(settings)
    return [(report, outbox.put(*compose(settings, report))) for report in reports]
