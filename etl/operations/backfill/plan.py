"""The plan of a backfill: which table-hours, what depends on them, what it may cost. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from etl import catalog
from etl.engine.jobs.run_context import RunContext
from etl.engine.jobs.winners import LANDED_BEHIND
from etl.engine.state import planner
from etl.errors import ConfigError
from etl.model.contract import Table
from etl.operations.backfill import hours as lake_hours
from etl.operations.backfill.hours import EPOCH, LakeHours
from etl.operations.backfill.request import Request, kept_because

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Step:
    """Hours of one table; rows and seconds as the ledger's history lets one expect, None where it has none."""

    table: str
    hours: tuple[datetime, ...]
    rows: int | None
    seconds: float | None

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "hours": [h.isoformat() for h in self.hours],
            "rows": self.rows,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Plan:
    """What would be rebuilt, what reads it and is left alone, and which tables are kept as they are and why."""

    request: Request
    steps: tuple[Step, ...]
    downstream: tuple[Step, ...]
    kept: dict[str, str]

    @property
    def days(self) -> int:
        """Days that have anything to rebuild: the cost that --yes is asked for."""
        return len({hour.date() for step in self.steps for hour in step.hours})

    @property
    def hours(self) -> dict[str, list[datetime]]:
        return {step.table: list(step.hours) for step in self.steps}

    def as_json(self) -> dict[str, Any]:
        return {
            "from": self.request.start.isoformat(),
            "to": self.request.end.isoformat(),
            "only": self.request.only,
            "days": self.days,
            "steps": [step.as_json() for step in self.steps],
            "downstream": [step.as_json() for step in self.downstream],
            "kept": self.kept,
        }


def make(context: RunContext, request: Request) -> Plan:
    """Plan a request. Raises ConfigError for hours that have not landed, or that retention took the inputs of."""
    newest = lake_hours.newest_landed(context, catalog.tables())
    _refuse_future(request, newest)
    _refuse_gone(context, request, newest)
    there = LakeHours(context)
    chosen: dict[str, list[datetime]] = {}
    for table in (catalog.entry(name).table for name in request.tables):  # as data flows
        wanted = there.chosen(table, request.only)
        chosen[table.name] = lake_hours.in_range(table, wanted, request.start, request.end)
        there.planned[table.name] = set(chosen[table.name])
    steps = [_step(there, name, found) for name, found in chosen.items() if found]
    kept = {t.name: kept_because(t) for t in _inputs(there, request) if kept_because(t)}
    return Plan(request, tuple(steps), tuple(_downstream(there, chosen)), kept)


def _inputs(there: LakeHours, request: Request) -> list[Table]:
    """What the selected tables that have any hour here read, bronze aside: that is where a backfill starts."""
    here = [t for t in (catalog.entry(name).table for name in request.tables) if there.known(t)]
    read = {i.table.name: i.table for table in here for i in table.inputs}
    return [t for t in read.values() if t.hour != "landed_hour"]


def _refuse_future(request: Request, newest: datetime) -> None:
    if newest == EPOCH:
        raise ConfigError("Nothing has landed in this lake yet, so there is nothing to backfill. Run `feed-etl run`.")
    if request.end > newest + planner.HOUR:
        raise ConfigError(
            f"--to {request.end:%Y-%m-%dT%H} lies beyond the newest landed hour {newest:%Y-%m-%dT%H}; "
            f"it may be {newest + planner.HOUR:%Y-%m-%dT%H} at most."
        )


def _refuse_gone(context: RunContext, request: Request, newest: datetime) -> None:
    """An hour can be rebuilt while every hour that its inputs hold for it is kept."""
    for table in (catalog.entry(name).table for name in request.tables):
        for source in table.inputs:
            if source.table.retention_days is None or source.as_of:
                continue
            behind = max(source.behind_hours, LANDED_BEHIND if source.table.hour == "landed_hour" else 0)
            limit = newest + planner.HOUR - source.table.retention_days * DAY
            first = max(limit, context.ledger.kept_from(source.table.name) or limit) + behind * planner.HOUR
            first = first if not table.daily or first.hour == 0 else (first + DAY).replace(hour=0)
            if request.start < first:
                raise ConfigError(
                    f"{table.name} cannot be rebuilt before {first:%Y-%m-%dT%H}: {source.table.name} keeps "
                    f"{source.table.retention_days} days. Begin there, or leave {table.name} out with --table."
                )


def _step(there: LakeHours, name: str, hours: list[datetime]) -> Step:
    table = catalog.entry(name).table
    past = [e for e in there.context.ledger.published(name) if e.processed_hours or e.published_hours]
    made = sum(max(len(e.processed_hours), len(e.published_hours)) for e in past)
    rows = there.recorded(table)
    mean = sum(rows.values()) / len(rows) if rows else None
    expected = None if mean is None else round(sum(rows.get(h, mean) for h in hours))
    seconds = round(sum(e.seconds for e in past) / made * len(hours), 1) if made else None
    return Step(name, tuple(hours), expected, seconds)


def _downstream(there: LakeHours, chosen: dict[str, list[datetime]]) -> list[Step]:
    """Table-hours that read what would change and are not in the plan: the next hourly run makes them anew."""
    changing = {name: set(found) for name, found in chosen.items() if found}
    steps = []
    for table in catalog.tables():
        reached = {
            hour
            for source in table.inputs
            for hour in lake_hours.matter_to(source, table, changing.get(source.table.name, set()))
        } - changing.get(table.name, set())
        if rest := reached and reached & there.known(table):
            changing[table.name] = changing.get(table.name, set()) | rest
            steps.append(_step(there, table.name, sorted(rest)))
    return steps
