"""The backlog of a lake for reports: which tables wait, for how long, and when that is a problem."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.landing import arrivals
from etl.engine.state import backlog
from etl.engine.state.ledger import Ledger
from etl.model.contract import Table
from etl.reports.problems import Problem

BACKLOG = "backlog"
STEP = "Look whether the scheduler runs, then `feed-etl run` over these hours (docs/runbook.md, Backlog)."


@dataclass(frozen=True)
class Waiting:
    """A table with due hours: how many, how long the oldest has waited, and those on the recovery list."""

    table: Table
    hours: tuple[datetime, ...]
    age: timedelta
    recovery: tuple[datetime, ...] = ()


def of_lake(spark: SparkSession, settings: Settings, ledger: Ledger, now: datetime) -> list[Waiting]:
    """The tables with due hours in the order data flows; only tables that ran in this lake."""
    ran = {entry.table_name for entry in ledger.entries}
    landed = {
        table.event.name: arrivals.unread(spark, settings, table.event, ledger.fingerprints(table.name))
        for table in catalog.tables()
        if table.event and table.name in ran
    }
    found = backlog.of_ledger(ledger, landed)
    return [
        Waiting(catalog.entry(name).table, each.hours, each.age(now), each.recovery)
        for name, each in found.items()
        if each.hours and name in ran
    ]


def problems(
    settings: Settings, waiting: Iterable[Waiting], now: datetime, failing: Collection[str]
) -> Iterator[Problem]:
    """A problem for each table with an hour that waits for longer than conf allows.

    failing: tables whose closed gate or error is a problem already.
    """
    allowed = timedelta(hours=settings.backlog.alert_hours)
    for each in waiting:
        if each.age > allowed and each.table.name not in failing:
            name, count = each.table.name, len(each.hours)
            title = f"{name} waits: {count} due {'hour' if count == 1 else 'hours'}"
            waited = each.age.total_seconds() / 3600
            detail = f"The oldest has waited for {waited:,.1f} hours; {settings.backlog.alert_hours:g} are allowed."
            yield Problem(BACKLOG, name, "", each.table.owner, now - each.age, title, detail, STEP, each.hours)
