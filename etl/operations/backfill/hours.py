"""Finds the hours of each table, and which of them are missing, failed or stale. Reads the ledger and Delta's log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.delta.partitions import in_hours, partition_hour
from etl.engine.jobs.run_context import RunContext
from etl.engine.state import chains, planner
from etl.engine.state.shards import Shard
from etl.model.contract import Input, InsertNew, Table

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def partitions(context: RunContext, table: Table) -> dict[datetime, tuple[int, str]]:
    """Return hour (day) -> (number of rows, fingerprint of its files). Empty when the table does not exist."""
    uri = context.uri(table)
    if not delta.is_table(context.spark, uri):
        return {}
    by_value = delta.partitions(context.spark, uri, table.hour)
    return {partition_hour(value): partition for value, partition in by_value.items()}


def fingerprints(context: RunContext, table: Table) -> dict[datetime, str]:
    """Return hour (day) -> fingerprint of its files. Every change to the hour changes the fingerprint."""
    return {hour: fingerprint for hour, (_, fingerprint) in partitions(context, table).items()}


@dataclass
class LakeHours:
    """The hours of a lake's tables. Each table is read once.

    `planned`: table -> hours that the plan rebuilds so far. Tables that read them treat them as present.
    """

    context: RunContext
    planned: dict[str, set[datetime]] = field(default_factory=dict)
    _live: dict[str, dict[datetime, int]] = field(default_factory=dict)
    _later: dict[str, set[datetime]] = field(default_factory=dict)

    def live(self, table: Table) -> dict[datetime, int]:
        """Return hour -> number of rows that the table has now. Hours without rows are left out."""
        if table.name not in self._live:
            by_hour = partitions(self.context, table).items()
            self._live[table.name] = {hour: rows for hour, (rows, _) in by_hour if rows}
        return self._live[table.name]

    def recorded(self, table: Table) -> dict[datetime, int]:
        """Return hour -> number of rows last published, by the ledger. Hours without rows are left out."""
        state = self.context.ledger.state(table.name)
        return {hour: h["row_count"] for hour, h in state.items() if h["row_count"]}

    def known(self, table: Table) -> set[datetime]:
        """Return the hours that the table has, had, or should have because its inputs have them."""
        from_inputs = {h for i in table.inputs if not i.as_of for h in self._hours_of_input(i, table)}
        own = self._live_or_recorded(table)
        found = own | from_inputs | self._late_hours(table) | self.context.ledger.damaged(table.name)
        return chains.every_day(found) if table.chain else found

    def chosen(self, table: Table, only: str) -> set[datetime]:
        """Return the known hours that are `missing`, `failed` or `stale`, or `all` of them."""
        choose = {"all": self.known, "missing": self._missing, "failed": self._failed, "stale": self._stale}
        return choose[only](table) & self.known(table)

    def _live_or_recorded(self, table: Table) -> set[datetime]:
        return set(self.live(table)) | set(self.recorded(table))

    def _hours_of_input(self, source: Input, table: Table) -> set[datetime]:
        hours = self._live_or_recorded(source.table) | self.planned.get(source.table.name, set())
        return {planner.grain(table, hour) for hour in hours}

    def _missing(self, table: Table) -> set[datetime]:
        """Hours that were published and are lost, or that no run processed."""
        lost = set(self.recorded(table)) - set(self.live(table))
        not_processed = self.known(table) - self._processed(table) | self._late_hours(table)
        return lost | not_processed - self._live_or_recorded(table)

    def _late_hours(self, table: Table) -> set[datetime]:
        """Hours of the records in landed hours that no run of the table processed.

        All records of an hour may be late-arriving, so that the landed hour of the same name has none of them.
        """
        if not isinstance(table.write, InsertNew):
            return set()
        if table.name not in self._later:
            source = table.inputs[0].table
            landed = set(self.live(source)) - self._processed(table)
            self._later[table.name] = self._record_hours(source, landed, table) if landed else set()
        return self._later[table.name]

    def _record_hours(self, source: Table, landed: set[datetime], table: Table) -> set[datetime]:
        records = delta.read(self.context.spark, self.context.uri(source)).where(in_hours(source, landed))
        hours = self.context.transform(table)(records).select(table.hour).distinct()
        return {checksums.as_hour(row[0]) for row in hours.collect()}

    def _processed(self, table: Table) -> set[datetime]:
        """Hours that an unsharded run or all shards of one sharding processed. They may have no rows."""
        ledger, processed = self.context.ledger, set(self.context.ledger.consumed(table.name))
        for sharding in ledger.shards(table.name):
            processed |= set.intersection(*(set(ledger.consumed(table.name, shard)) for shard in sharding))
        return processed

    def _failed(self, table: Table) -> set[datetime]:
        """Hours whose last run did not pass: the last unsharded run, or the last run of any shard."""
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
        """Hours with an input that was published again later, and hours that `feed-etl check` found damaged."""
        return set(planner.due(self.context.ledger, table, None)) | self.context.ledger.damaged(table.name)


def in_interval(table: Table, hours: set[datetime], start: datetime, end: datetime) -> list[datetime]:
    """Return the hours in the interval [start, end). A day is in it when any of its hours is."""
    return sorted(h for h in hours if planner.grain(table, start) <= h < end)


def newest_landed(context: RunContext, tables: list[Table]) -> datetime:
    """Return the newest landed hour that has a row. This is the clock of the lake. EPOCH when nothing has landed.

    An hour in the future of this machine's clock does not count.
    """
    now = datetime.now(UTC)
    landed = [
        hour
        for table in tables
        if table.event and table.hour == "landed_hour"
        for hour, state in context.ledger.state(table.name).items()
        if state["row_count"] and hour <= now
    ]
    return max(landed, default=EPOCH)


def affected_by(source: Input, table: Table, hours: set[datetime]) -> set[datetime]:
    """Return the output hours (days) of `table` that changes in these hours of an input may affect."""
    if source.as_of:
        return set()
    return {out for hour in hours for out in planner.output_hours(source, table, hour)}
