"""Everything the dashboard shows, as values. The lake is read once, here; the other modules only draw."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pyspark.sql import SparkSession

from etl import catalog
from etl.conf import Settings
from etl.engine.spark.files import absolute
from etl.engine.state import planner
from etl.engine.state.ledger import Ledger
from etl.errors import LakeError
from etl.reports import freshness, headroom, history_lines, operations, waiting
from etl.reports.freshness import Freshness
from etl.reports.headroom import Headroom
from etl.reports.history_lines import HistoryLine
from etl.reports.operations import Interval
from etl.reports.section import DashboardPlugin
from etl.reports.waiting import Waiting

DEFAULT_DAYS = 7


@dataclass(frozen=True)
class Health:
    """The health of one lake over `interval`, a half-open range of hours.

    `subjects` are those that ran in the lake. `parts` has, for each of them that has a dashboard, the values its plugin
    collected.
    """

    lake: str
    interval: Interval
    subjects: list[str]
    gates: list[operations.Gate]
    landed: datetime | None
    freshness: list[Freshness]
    costs: list[operations.Cost]
    runs: dict[str, float]
    coverage: dict[str, set[datetime]]
    history: list[HistoryLine] = field(default_factory=list)
    landed_hours: dict[str, operations.Events] = field(default_factory=dict)  # by subject
    headroom: list[Headroom] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    parts: dict[str, Any] = field(default_factory=dict)  # by subject, in the order of the page

    @property
    def hours(self) -> list[datetime]:
        """Every hour of the interval."""
        return planner.hours_between(*self.interval)


def plugin(subject: str) -> DashboardPlugin | None:
    """The dashboard of a subject; None when the subject has none."""
    return cast(DashboardPlugin | None, catalog.plugin(subject, "dashboard"))


def collect(spark: SparkSession, settings: Settings, interval: Interval | None) -> Health:
    """The health of a lake over an interval, by default its last seven days. Raises LakeError when no run was made."""
    ledger = Ledger.existing(spark, absolute(settings.lake))
    ran = operations.subjects(ledger.entries)
    interval = interval or _last_days(ledger, ran)
    entries = operations.in_range(ledger, interval)
    dashboards = {name: found for name in ran if (found := plugin(name))}
    return Health(
        lake=settings.lake,
        interval=interval,
        subjects=ran,
        gates=operations.gates(ledger),
        landed=freshness.newest_landed(ledger),
        freshness=freshness.of_tables(ledger),
        costs=operations.costs(entries),
        runs=operations.runs(entries),
        coverage=operations.coverage(ledger, interval),
        history=history_lines.of_ledger(ledger, interval),
        landed_hours={name: operations.landed_hours(ledger, interval, name) for name in ran},
        headroom=headroom.of_ledger(ledger.entries),
        waiting=waiting.of_lake(spark, settings, ledger, datetime.now(UTC)),
        parts={name: found.collect(spark, settings, interval, ledger) for name, found in dashboards.items()},
    )


def _last_days(ledger: Ledger, subjects: list[str]) -> Interval:
    """The last seven days up to the newest landed hour of these subjects.

    Late hours count as well: when all sources stop, nothing lands, and the late hours are what the page must show.
    """
    hours = freshness.landed(ledger, subjects)
    if hours:
        hours |= operations.late_hours(ledger)
    if not hours:
        raise LakeError(f"Nothing has landed in {ledger.uri} yet. Run `feed-etl run` first.")
    end = max(hours) + planner.HOUR
    return max(min(hours), end - timedelta(days=DEFAULT_DAYS)), end
