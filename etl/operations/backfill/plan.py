"""Plans a backfill: which table-hours it rebuilds, what depends on them, what it costs. It only reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from etl import catalog
from etl.engine.jobs.run_context import RunContext
from etl.engine.jobs.winners import landed_behind
from etl.engine.state import chains, planner
from etl.errors import ConfigError
from etl.model.contract import Input, Table
from etl.operations.backfill import hours as lake_hours
from etl.operations.backfill.hours import EPOCH, LakeHours
from etl.operations.backfill.request import Request, kept_because

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Step:
    """Hours of one table, with the number of rows and seconds that the ledger's history suggests.

    `rows` and `seconds` are None when the ledger has no history of the table.
    """

    table: str
    hours: tuple[datetime, ...]
    rows: int | None
    seconds: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the step as `backfill plan --json` prints it."""
        return {
            "table": self.table,
            "hours": [h.isoformat() for h in self.hours],
            "rows": self.rows,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Plan:
    """What a backfill rebuilds.

    `steps`: table-hours to rebuild. `downstream`: table-hours that read them and are not rebuilt. `kept`: input table
    -> why a backfill does not rebuild it.
    """

    request: Request
    steps: tuple[Step, ...]
    downstream: tuple[Step, ...]
    kept: dict[str, str]

    @property
    def days(self) -> int:
        """Number of days with hours to rebuild. More than `backfill_days_without_yes` need --yes."""
        return len({hour.date() for step in self.steps for hour in step.hours})

    @property
    def hours(self) -> dict[str, list[datetime]]:
        """Hours to rebuild, by table."""
        return {step.table: list(step.hours) for step in self.steps}

    def as_json(self) -> dict[str, Any]:
        """Return the plan as `backfill plan --json` prints it."""
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
    """Plan a request.

    Raises ConfigError for hours that have not landed, and for hours whose inputs retention has removed.
    """
    newest = lake_hours.newest_landed(context, catalog.tables())
    _refuse_future(request, newest)
    _refuse_gone(context, request, newest)
    lake = LakeHours(context)
    chosen: dict[str, list[datetime]] = {}
    for table in (catalog.entry(name).table for name in request.tables):  # inputs before outputs
        hours = lake.chosen(table, request.only)
        chosen[table.name] = lake_hours.in_interval(table, hours, request.start, request.end)
        lake.planned[table.name] = set(chosen[table.name])
    steps = [_step(lake, name, hours) for name, hours in chosen.items() if hours]
    kept = {t.name: kept_because(t) for t in _inputs(lake, request) if kept_because(t)}
    return Plan(request, tuple(steps), tuple(_downstream(lake, chosen)), kept)


def _inputs(lake: LakeHours, request: Request) -> list[Table]:
    """Return the inputs, except bronze, of the selected tables that have hours in this lake."""
    present = [t for t in (catalog.entry(name).table for name in request.tables) if lake.known(t)]
    inputs = {i.table.name: i.table for table in present for i in table.inputs}
    return [t for t in inputs.values() if t.hour != "landed_hour"]


def _refuse_future(request: Request, newest: datetime) -> None:
    if newest == EPOCH:
        raise ConfigError("Nothing has landed in this lake yet, so there is nothing to backfill. Run `feed-etl run`.")
    if request.end > newest + planner.HOUR:
        raise ConfigError(
            f"--to {request.end:%Y-%m-%dT%H} is after the newest landed hour {newest:%Y-%m-%dT%H}. "
            f"Give {newest + planner.HOUR:%Y-%m-%dT%H} at most."
        )


def _refuse_gone(context: RunContext, request: Request, newest: datetime) -> None:
    """Refuse hours whose inputs are past retention: an hour needs every input hour that it is built from."""
    for table in (catalog.entry(name).table for name in request.tables):
        for source in table.sources.values():
            if source.table.retention_days is None or source.as_of or _is_first(context, table, source):
                continue
            by_landed_hour = source.table.hour == "landed_hour"
            behind = max(source.behind_hours, landed_behind(context.settings) if by_landed_hour else 0)
            limit = newest + planner.HOUR - source.table.retention_days * DAY
            first = max(limit, context.ledger.kept_from(source.table.name) or limit) + behind * planner.HOUR
            first = first if not table.daily or first.hour == 0 else (first + DAY).replace(hour=0)
            if request.start < first:
                raise ConfigError(
                    f"{table.name} cannot be rebuilt before {first:%Y-%m-%dT%H}: {source.table.name} keeps "
                    f"{source.table.retention_days} days. Begin there, or leave {table.name} out with --table."
                )


def _is_first(context: RunContext, table: Table, source: Input) -> bool:
    """Whether a chain reads its previous day and retention removed none: its first day is made from no rows."""
    return source.table.name == table.name and context.ledger.kept_from(table.name) is None


def _step(lake: LakeHours, name: str, hours: list[datetime]) -> Step:
    return Step(name, tuple(hours), _expected_rows(lake, name, hours), _expected_seconds(lake, name, hours))


def _expected_rows(lake: LakeHours, name: str, hours: list[datetime]) -> int | None:
    """Rows of each hour as last published, the mean for an hour that was never published."""
    rows = lake.recorded(catalog.entry(name).table)
    if not rows:
        return None
    mean = sum(rows.values()) / len(rows)
    return round(sum(rows.get(hour, mean) for hour in hours))


def _expected_seconds(lake: LakeHours, name: str, hours: list[datetime]) -> float | None:
    """The mean seconds per hour of all runs so far, for all hours."""
    runs = [e for e in lake.context.ledger.published(name) if e.processed_hours or e.published_hours]
    hours_made = sum(max(len(e.processed_hours), len(e.published_hours)) for e in runs)
    return round(sum(e.seconds for e in runs) / hours_made * len(hours), 1) if hours_made else None


def _downstream(lake: LakeHours, chosen: dict[str, list[datetime]]) -> list[Step]:
    """Return the table-hours that read changed hours and are not in the plan. The next hourly run rebuilds them."""
    changing = {name: set(hours) for name, hours in chosen.items() if hours}
    steps = []
    for table in catalog.tables():
        affected = _affected(table, changing) - changing.get(table.name, set())
        if rest := affected and affected & lake.known(table):
            changing[table.name] = changing.get(table.name, set()) | rest
            steps.append(_step(lake, table.name, sorted(rest)))
    return steps


def _affected(table: Table, changing: dict[str, set[datetime]]) -> set[datetime]:
    """Return the hours of a table that changing hours may affect; of a chain also the later days within its reach."""
    affected = {
        hour
        for source in table.inputs
        for hour in lake_hours.affected_by(source, table, changing.get(source.table.name, set()))
    }
    if table.chain is None:
        return affected
    return affected | chains.later_days(table.chain, affected | changing.get(table.name, set()))
