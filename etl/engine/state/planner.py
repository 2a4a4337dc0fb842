"""Which hours a table must be made for: those whose inputs changed since they were last read for it.

A publish records the hours it changed (`touched`); a reader records the version of each input it used for each
hour it made (`handled`). An hour is due when some input was published later than it was last read for that hour.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from etl.conf import FIRST_DAY, LAST_DAY
from etl.engine.state.entry import OWED
from etl.engine.state.ledger import Ledger
from etl.engine.state.shards import Shard
from etl.model.contract import Input, InsertNew, Scd2, Table

FOLLOWING = "valid_from"  # a dimension touches everything from here on
HOUR = timedelta(hours=1)
FIRST, LAST = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (FIRST_DAY, LAST_DAY))
"""A lake of an earlier release may hold an hour beyond these, which calendars end soon after: it is due for nothing."""


def hours_between(start: datetime, end: datetime) -> list[datetime]:
    """The hours of a half-open range."""
    return [start + i * HOUR for i in range(int((end - start) / HOUR))]


def due(
    ledger: Ledger, table: Table, interval: tuple[datetime, datetime] | None, shard: Shard | None = None
) -> list[datetime]:
    """Output hours (landed hours for what reads bronze) to make, oldest first; `span` bounds landed hours only.

    With a shard, those to make for it. An hour that is made for each of n shards is made for everybody. Hours that a
    table had before it was made anew are due whatever the range.
    """
    found = _due(ledger, table, interval, shard)
    for cut in ledger.shards(table.name) if shard is None and found else []:
        left = {hour for each in cut for hour in _due(ledger, table, interval, each)}
        found = [hour for hour in found if hour in left]
    return found


def _due(
    ledger: Ledger, table: Table, interval: tuple[datetime, datetime] | None, shard: Shard | None
) -> list[datetime]:
    consumed = ledger.consumed(table.name, shard)
    published = {i.table.name: _latest_touch(ledger, i, table, shard) for i in table.inputs if not i.as_of}
    stale = {
        hour
        for name, hours in published.items()
        for hour, version in hours.items()
        if version > consumed.get(hour, {}).get(name, -1)
    }
    stale |= {h for i in table.inputs if i.as_of for h in _since(ledger, i, table, consumed)}
    if not isinstance(table.write, InsertNew):
        stale |= ledger.damaged(table.name)
    if interval and reads_landed_hours(table):
        again = ledger.processed_before(table.name) - consumed.keys() | ledger.damaged(table.name)
        stale = {h for h in stale if interval[0] <= h < interval[1] or h in again}
    first = open_from(ledger, table)
    return sorted(h for h in stale if first is None or h >= first)


def owed(ledger: Ledger, table: Table) -> list[datetime]:
    """Hours that a table had before it was made anew and lacks still, oldest first. They are made whatever the range.

    Of a table with an event landed hours, of others those that `due` goes by.
    """
    if table.event:
        marks = ledger.fingerprints(table.name)
        return sorted(datetime.fromisoformat(hour) for hour, mark in marks.items() if mark == OWED)
    again = ledger.processed_before(table.name) - ledger.consumed(table.name).keys()
    return [hour for hour in due(ledger, table, None) if hour in again] if again else []


def open_from(ledger: Ledger, table: Table) -> datetime | None:
    """The first hour of a table that can still be made; retention took those before, or what they were made from.

    They stay as they are, for good. None when retention took nothing yet.
    """
    floors = [(ledger.kept_from(table.name), 0)]
    floors += [(ledger.kept_from(i.table.name), i.behind_hours) for i in table.inputs if not i.as_of]
    return max((floor + behind * HOUR for floor, behind in floors if floor), default=None)


def partition_hour(value: str) -> datetime:
    """The instant of an hour (day) as Delta's log writes a partition value."""
    at = datetime.fromisoformat(value)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def reads_landed_hours(table: Table) -> bool:
    """Facts and dimensions go by the hour their inputs landed, rollups and marts by the hour things happened."""
    return isinstance(table.write, InsertNew | Scd2)


def grain(table: Table, hour: datetime) -> datetime:
    """The partition of a table that an hour belongs to."""
    return hour.replace(hour=0) if table.daily else hour


def reached(source: Input, table: Table, hour: datetime) -> set[datetime]:
    """Output hours (days) that read an hour (day) of an input; none for one that no record may name."""
    if not FIRST <= hour <= LAST:
        return set()
    last = grain(table, hour + (source.behind_hours + (23 if source.table.daily else 0)) * HOUR)
    first, step = grain(table, hour - source.ahead_hours * HOUR), 24 * HOUR if table.daily else HOUR
    return {first + i * step for i in range((last - first) // step + 1)}


def _latest_touch(ledger: Ledger, source: Input, table: Table, shard: Shard | None) -> dict[datetime, int]:
    column = source.by or source.table.hour
    affected_hours: dict[datetime, int] = defaultdict(int)
    for e in ledger.published(source.table.name):
        if shard and not shard.meets(e.shard) and not e.corrections:  # it may replace another's rows
            continue
        for hour in e.affected_hours.get(column, []):
            affected_hours[hour] = max(affected_hours[hour], e.output_version or 0)
    latest: dict[datetime, int] = defaultdict(int)
    for hour, version in affected_hours.items():
        here = {grain(table, hour)} if FIRST <= hour <= LAST else set()
        for out in reached(source, table, hour) if column == source.table.hour else here:
            latest[out] = max(latest[out], version)
    return latest


def _since(ledger: Ledger, source: Input, table: Table, consumed: dict[datetime, dict[str, int]]) -> set[datetime]:
    """Hours already made that a later change of a dimension reaches back to."""
    changes = [
        (min(e.affected_hours[FOLLOWING]), e.output_version or 0)
        for e in ledger.published(source.table.name)
        if e.affected_hours.get(FOLLOWING)
    ]
    return {
        hour
        for hour, versions in consumed.items()
        for since, version in changes
        if version > versions.get(source.table.name, -1) and grain(table, since) <= hour
    }
