"""Which table-hours there are, and which are missing, failed or stale: questions to the ledger and Delta's log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs.run_context import RunContext, in_hours
from etl.engine.state import planner
from etl.engine.state.shards import Shard
from etl.model.contract import Input, InsertNew, Table

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def partitions(context: RunContext, table: Table) -> dict[datetime, tuple[int, str]]:
    """Hour (day) -> rows and a mark that changes with every change to it; empty when the table is not there."""
    uri = context.uri(table)
    if not delta.is_table(context.spark, uri):
        return {}
    found = delta.partitions(context.spark, uri, table.hour)
    return {planner.partition_hour(value): what for value, what in found.items()}


def marks(context: RunContext, table: Table) -> dict[datetime, str]:
    """Hour (day) -> its mark."""
    return {hour: mark for hour, (_, mark) in partitions(context, table).items()}


@dataclass
class LakeHours:
    """The hours of a lake's tables, each table looked at once.

    planned: hours that a plan makes, as far as it has got; for what reads them they are as good as there.
    """

    context: RunContext
    planned: dict[str, set[datetime]] = field(default_factory=dict)
    _live: dict[str, dict[datetime, int]] = field(default_factory=dict)
    _later: dict[str, set[datetime]] = field(default_factory=dict)

    def live(self, table: Table) -> dict[datetime, int]:
        """Hour -> rows that are really there."""
        if table.name not in self._live:
            found = partitions(self.context, table).items()
            self._live[table.name] = {hour: rows for hour, (rows, _) in found if rows}
        return self._live[table.name]

    def recorded(self, table: Table) -> dict[datetime, int]:
        """Hour -> rows that were last published, by the ledger."""
        state = self.context.ledger.state(table.name)
        return {hour: h["row_count"] for hour, h in state.items() if h["row_count"]}

    def known(self, table: Table) -> set[datetime]:
        """Hours the table has, had, or should have since its inputs have them."""
        from_inputs = {h for i in table.inputs if not i.as_of for h in self._of_input(i, table)}
        return self._own(table) | from_inputs | self._landed_later(table) | self.context.ledger.damaged(table.name)

    def chosen(self, table: Table, only: str) -> set[datetime]:
        """The known hours that are missing, failed or stale, or all of them."""
        choose = {"all": self.known, "missing": self._missing, "failed": self._failed, "stale": self._stale}
        return choose[only](table) & self.known(table)

    def _own(self, table: Table) -> set[datetime]:
        return set(self.live(table)) | set(self.recorded(table))

    def _of_input(self, source: Input, table: Table) -> set[datetime]:
        hours = self._own(source.table) | self.planned.get(source.table.name, set())
        return {planner.grain(table, hour) for hour in hours}

    def _missing(self, table: Table) -> set[datetime]:
        """Published but no longer there, or never made."""
        lost = set(self.recorded(table)) - set(self.live(table))
        never = self.known(table) - self._made(table) | self._landed_later(table)
        return lost | never - self._own(table)

    def _landed_later(self, table: Table) -> set[datetime]:
        """Hours of records in landed hours the table was not made from: all of an hour's may have landed later."""
        if not isinstance(table.write, InsertNew):
            return set()
        if table.name not in self._later:
            source = table.inputs[0].table
            landed = set(self.live(source)) - self._made(table)
            self._later[table.name] = self._hours_of(source, landed, table) if landed else set()
        return self._later[table.name]

    def _hours_of(self, source: Table, landed: set[datetime], table: Table) -> set[datetime]:
        records = delta.read(self.context.spark, self.context.uri(source)).where(in_hours(source, landed))
        hours = self.context.transform(table)(records).select(table.hour).distinct()
        return {checksums.as_hour(row[0]) for row in hours.collect()}

    def _made(self, table: Table) -> set[datetime]:
        """Made for everybody, or for each shard of some cut; without rows, maybe."""
        ledger, made = self.context.ledger, set(self.context.ledger.consumed(table.name))
        for cut in ledger.shards(table.name):
            made |= set.intersection(*(set(ledger.consumed(table.name, each)) for each in cut))
        return made

    def _failed(self, table: Table) -> set[datetime]:
        """The last run that tried them, of everybody or of one shard, did not pass."""
        failed: set[tuple[datetime, Shard | None]] = set()
        for e in self.context.ledger.entries:
            if e.table_name != table.name:
                continue
            if e.verdict == "passed":
                failed = {(h, s) for h, s in failed if h not in e.processed_hours or e.shard not in (None, s)}
            else:
                failed |= {(hour, e.shard) for hour in e.processed_hours}
        return {hour for hour, _ in failed}

    def _stale(self, table: Table) -> set[datetime]:
        """Made before an input of theirs was published anew, or not what was published (`feed-etl check --repair`)."""
        return set(planner.due(self.context.ledger, table, None)) | self.context.ledger.damaged(table.name)


def in_range(table: Table, hours: set[datetime], start: datetime, end: datetime) -> list[datetime]:
    """Those of a half-open range; a day belongs to it when any of its hours does."""
    return sorted(h for h in hours if planner.grain(table, start) <= h < end)


def newest_landed(context: RunContext, tables: list[Table]) -> datetime:
    """The newest landed hour that gave any row: the lake's own clock. The epoch when nothing has landed.

    An hour that has not begun by the clock of this machine does not count.
    """
    wall = datetime.now(UTC)
    landed = [
        hour
        for table in tables
        if table.event and table.hour == "landed_hour"
        for hour, state in context.ledger.state(table.name).items()
        if state["row_count"] and hour <= wall
    ]
    return max(landed, default=EPOCH)


def matter_to(source: Input, table: Table, hours: set[datetime]) -> set[datetime]:
    """Output hours (days) that a change in some hours of an input may matter to."""
    if source.as_of:
        return set()
    return {out for hour in hours for out in planner.reached(source, table, hour)}
