"""The retention window of a lake: its clock, the deadline of each table, and what needs hours past the deadline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.jobs.derive import input_hours
from etl.engine.jobs.run_context import RunContext
from etl.engine.jobs.winners import landed_behind
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
    """The state of a lake that retention decides by.

    `now`: the end of the newest landed hour; deadlines of hours count from it. `today`: the clock of this machine; ages
    of files count from it. `in_flight`: backfills. `due`: table -> hours that a run must still process.
    """

    context: RunContext
    now: datetime
    today: datetime
    in_flight: tuple[Backfill, ...]
    due: dict[str, list[datetime]]
    yes: bool = False  # whether a large share of a table may be removed
    refusal: str | None = None  # why this lake may not remove landed files

    def needs_yes(self, removed: int, total: int, limit: float | None = None) -> str:
        """Return why removing so many of all rows (files) needs --yes. Empty when it does not."""
        share = removed / total if total else 0.0
        max_share = self.context.settings.maintenance.max_removed_share if limit is None else limit
        if self.yes or share <= max_share:
            return ""
        return (
            f"{share:.0%} of all, more than {max_share:.0%} (maintenance.max_removed_share). "
            "If this is intended, add --yes"
        )

    def kept_from(self, table: Table) -> datetime | None:
        """Return the first hour of a table to keep, None when the table has no deadline.

        It is before the deadline when a due hour or a backfill in flight needs an earlier hour. A day is kept until its
        last hour is past the deadline.
        """
        deadline = self._deadline(table)
        return deadline and planner.grain(table, min([deadline, *self._needed_hours(table)]))

    def held(self, table: Table) -> bool:
        """Whether a due hour or a backfill needs hours that are past the table's deadline."""
        first, deadline = self.kept_from(table), self._deadline(table)
        return first is not None and deadline is not None and first < deadline

    def _deadline(self, table: Table) -> datetime | None:
        """Return the first hour (day) that nothing but its age keeps; None when the table has no deadline."""
        return None if table.retention_days is None else planner.grain(table, self.now - table.retention_days * DAY)

    def _needed_hours(self, table: Table) -> list[datetime]:
        """Return the first hour that each table with due hours, and each backfill in flight, reads of the table."""
        needed_by_due = [
            min(input_hours(source, reader, self.due[reader.name][:1]))
            for reader in catalog.tables()
            for source in reader.sources.values()
            if source.table.name == table.name and not source.as_of and self.due.get(reader.name)
        ]
        return needed_by_due + [self._first_hour_read(b) for b in self.in_flight]

    def _first_hour_read(self, backfill: Backfill) -> datetime:
        start = min([backfill.range_from, *(h for hours in backfill.hours.values() for h in hours)])
        behind = max(i.behind_hours for t in catalog.tables() for i in t.sources.values())
        return start - max(behind, landed_behind(self.context.settings)) * HOUR


def tables(context: RunContext) -> list[Table]:
    """Return the tables that exist in the lake, inputs before outputs."""
    return [t for t in catalog.tables() if delta.is_table(context.spark, context.uri(t))]


def refuse_future(now: datetime | None) -> None:
    """Raise ConfigError when deadlines would count from a time in the future."""
    today = datetime.now(UTC)
    if now is not None and now > today:
        raise ConfigError(
            f"--now {now:%Y-%m-%dT%H} is later than the clock of this machine ({today:%Y-%m-%dT%H:%M}). "
            "Nothing was removed."
        )


def look(context: RunContext, in_flight: list[Backfill], now: datetime | None, yes: bool = False) -> Window:
    """Return the window of a lake.

    Without `now`, deadlines count from the end of the newest landed hour, or from this machine's clock when that is
    earlier. Raises ConfigError when `now` is in the future.
    """
    refuse_future(now)
    today = datetime.now(UTC)
    if now is None:
        newest = lake_hours.newest_landed(context, catalog.tables())
        this_hour = today.replace(minute=0, second=0, microsecond=0)
        now = EPOCH if newest == EPOCH else min(newest + HOUR, this_hour)
    due = {t.name: planner.due(context.ledger, t, None) for t in tables(context)}
    return Window(context, now, today, tuple(in_flight), due, yes, owner.refusal(context.spark, context.settings))
