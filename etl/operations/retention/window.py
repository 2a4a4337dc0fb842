"""How far back the tables reach: the lake's own clock, each table's deadline, and what holds it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.jobs.derivejob import input_hours
from etl.engine.jobs.run_context import RunContext
from etl.engine.jobs.winners import LANDED_BEHIND
from etl.engine.landing import owner
from etl.engine.state import planner
from etl.engine.state.planner import HOUR
from etl.errors import ConfigError
from etl.model.contract import Table
from etl.operations.backfill import hours as lake_hours
from etl.operations.backfill.hours import EPOCH
from etl.operations.backfill.register import Backfill

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """A lake at a moment: `now` is the end of its newest hour, `today` the time on the wall, which ages files only."""

    context: RunContext
    now: datetime
    today: datetime
    flying: tuple[Backfill, ...]
    due: dict[str, list[datetime]]
    yes: bool = False  # whether what is much of a table may go
    refusal: str | None = None  # why landed files are not this lake's to remove

    def asks(self, gone: int, of: int, limit: float | None = None) -> str:
        """Why so many of a table's rows (files) go only when told so; empty when they may go."""
        share = gone / of if of else 0.0
        allowed = self.context.settings.maintenance.max_removed_share if limit is None else limit
        if self.yes or share <= allowed:
            return ""
        return (
            f"{share:.0%} of all, more than {allowed:.0%} (maintenance.max_removed_share). If that is meant, add --yes"
        )

    def kept_from(self, table: Table) -> datetime | None:
        """The first hour to keep of a table that has a deadline; earlier when something still needs one before it."""
        if table.retention_days is None:
            return None
        return min([self.now - table.retention_days * DAY, *self._needed(table)])

    def held(self, table: Table) -> bool:
        """Whether something needs hours that are past the table's deadline."""
        first = self.kept_from(table)
        return first is not None and table.retention_days is not None and first < self.now - table.retention_days * DAY

    def _needed(self, table: Table) -> list[datetime]:
        """The first hour of a table that hours not yet made, or a backfill in flight, will read."""
        found = [
            min(input_hours(source, reader, self.due[reader.name][:1]))
            for reader in catalog.tables()
            for source in reader.inputs
            if source.table.name == table.name and not source.as_of and self.due.get(reader.name)
        ]
        return found + [self._read_by(b) for b in self.flying]

    def _read_by(self, backfill: Backfill) -> datetime:
        start = min([backfill.range_from, *(h for hours in backfill.hours.values() for h in hours)])
        behind = max(i.behind_hours for t in catalog.tables() for i in t.inputs)
        return start - max(behind, LANDED_BEHIND) * HOUR


def tables(context: RunContext) -> list[Table]:
    """The tables that the lake has, in the order data flows."""
    return [t for t in catalog.tables() if delta.is_table(context.spark, context.uri(t))]


def refuse_future(now: datetime | None) -> None:
    """Raises ConfigError for deadlines as of a time that has not come."""
    today = datetime.now(UTC)
    if now is not None and now > today:
        raise ConfigError(
            f"--now {now:%Y-%m-%dT%H} is later than the clock of this machine ({today:%Y-%m-%dT%H:%M}). "
            "Nothing was removed."
        )


def look(context: RunContext, flying: list[Backfill], now: datetime | None, yes: bool = False) -> Window:
    """The window of a lake. An hour in the future moves no deadline: without `now` the wall's clock is the limit.

    Raises ConfigError when `now` is later than that.
    """
    refuse_future(now)
    today = datetime.now(UTC)
    if now is None:
        newest = lake_hours.newest_landed(context, catalog.tables())
        wall = today.replace(minute=0, second=0, microsecond=0)
        now = EPOCH if newest == EPOCH else min(newest + HOUR, wall)
    due = {t.name: planner.due(context.ledger, t, None) for t in tables(context)}
    return Window(context, now, today, tuple(flying), due, yes, owner.refusal(context.spark, context.settings))
