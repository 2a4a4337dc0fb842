"""Plans a run: decides which hours of a table are due, from the ledger alone.

A publish records the hours it changed (`affected_hours`) and its version. A run records the hours it made
(`processed_hours`) and the version of each input that it read for them. An hour is due when an input that it reads was
published in a later version than the one read for this hour. See docs/decisions/0003-what-is-due.md.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from etl.conf import FIRST_DAY, LAST_DAY
from etl.engine.state import chains
from etl.engine.state.entry import TO_BE_READ
from etl.engine.state.ledger import Ledger
from etl.engine.state.shards import Shard
from etl.model.contract import Chain, Input, InsertNew, Scd2, Table

FOLLOWING = "valid_from"
"""Key of `affected_hours` of a dimension: its change affects all hours from this one on."""
HOUR = timedelta(hours=1)
FIRST, LAST = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (FIRST_DAY, LAST_DAY))
"""The first and the last hour that can be due. A lake of an earlier release may hold hours outside: they are ignored,
because Python's calendar ends soon after."""

Interval = tuple[datetime, datetime]
"""Landed hours [start, end)."""
Consumed = dict[datetime, dict[str, int]]
"""Output hour -> input table -> version of the input that was read for this hour: see `Ledger.consumed`."""


def hours_between(start: datetime, end: datetime) -> list[datetime]:
    """The hours of a half-open interval."""
    return [start + i * HOUR for i in range(int((end - start) / HOUR))]


def due(ledger: Ledger, table: Table, interval: Interval | None, shard: Shard | None = None) -> list[datetime]:
    """The hours of a table that a run must make, oldest first.

    Facts and dimensions count landed hours, and only these are limited by the interval; other tables count their own
    hours (days). Hours that a recreated table had before are due in any interval. With a shard the result is for the
    shard alone. Without one, an hour that runs made for each of n shards is complete and not due.
    """
    hours = _due_for(ledger, table, interval, shard)
    if shard is None and hours:
        for shards in ledger.shards(table.name):
            due_for_some_shard = {hour for each in shards for hour in _due_for(ledger, table, interval, each)}
            hours = [hour for hour in hours if hour in due_for_some_shard]
    return hours


def _due_for(ledger: Ledger, table: Table, interval: Interval | None, shard: Shard | None) -> list[datetime]:
    """The due hours of one shard; without a shard, those that no run made for all people."""
    consumed = ledger.consumed(table.name, shard)
    hours = _changed(ledger, table, consumed, shard)
    if table.chain:
        hours = set(chains.due(ledger, table, table.chain, hours))
    if interval and reads_landed_hours(table):
        inside = {hour for hour in hours if interval[0] <= hour < interval[1]}
        hours = inside | (hours & _due_in_any_interval(ledger, table, consumed))
    first = open_from(ledger, table)
    return sorted(hour for hour in hours if first is None or hour >= first)


def next_day(ledger: Ledger, table: Table, chain: Chain, after: datetime) -> tuple[datetime, datetime] | None:
    """The first due day of a chain after a day, and the last later day that a change of it can reach.

    None when no later day is due. Ask again after each day: a day that changed makes the next one due.
    """
    reach = chains.due(ledger, table, chain, _changed(ledger, table, ledger.consumed(table.name), None))
    first = open_from(ledger, table) or FIRST
    return min(((day, last) for day, last in reach.items() if day > after and day >= first), default=None)


def _changed(ledger: Ledger, table: Table, consumed: Consumed, shard: Shard | None) -> set[datetime]:
    """Hours with an input that changed after it was read for them, and damaged hours that a run can repair."""
    hours = _with_changed_input(ledger, table, consumed, shard) | _with_changed_dimension(ledger, table, consumed)
    if not isinstance(table.write, InsertNew):  # a run only adds rows to a fact: a backfill repairs its damaged hours
        hours |= ledger.damaged(table.name)
    return hours


def _due_in_any_interval(ledger: Ledger, table: Table, consumed: Consumed) -> set[datetime]:
    """Hours that a recreated table had before and lacks now, and damaged hours."""
    return (ledger.processed_before(table.name) - consumed.keys()) | ledger.damaged(table.name)


def _with_changed_input(ledger: Ledger, table: Table, consumed: Consumed, shard: Shard | None) -> set[datetime]:
    """Hours for which an input was published later than the version that was read for them."""
    return {
        hour
        for source in table.inputs
        if not source.as_of
        for hour, version in _latest_versions(ledger, source, table, shard).items()
        if version > consumed.get(hour, {}).get(source.table.name, -1)
    }


def _latest_versions(ledger: Ledger, source: Input, table: Table, shard: Shard | None) -> dict[datetime, int]:
    """Output hour -> the latest version of an input that changed something this hour reads."""
    latest: dict[datetime, int] = defaultdict(int)
    for hour, version in _published_versions(ledger, source, shard).items():
        for out in affected_hours(source, table, hour):
            latest[out] = max(latest[out], version)
    return latest


def _published_versions(ledger: Ledger, source: Input, shard: Shard | None) -> dict[datetime, int]:
    """Hour of an input -> the latest version that changed it. Publishes of shards with other people do not count."""
    versions: dict[datetime, int] = defaultdict(int)
    for entry in ledger.published(source.table.name):
        # A correction counts in any case: the row that it replaces may belong to a person of another shard.
        if shard and not shard.overlaps(entry.shard) and not entry.corrections:
            continue
        for hour in entry.affected_hours.get(_hour_column(source), []):
            versions[hour] = max(versions[hour], entry.output_version or 0)
    return versions


def _hour_column(source: Input) -> str:
    """The hour column by which a table reads an input: the input's own one, unless the contract names another."""
    return source.by or source.table.hour


def affected_hours(source: Input, table: Table, hour: datetime) -> set[datetime]:
    """The hours (days) of a table that a changed hour affects, an hour of the column by which it reads the input."""
    if _hour_column(source) == source.table.hour:
        return output_hours(source, table, hour)
    return {grain(table, hour)} if FIRST <= hour <= LAST else set()


def _with_changed_dimension(ledger: Ledger, table: Table, consumed: Consumed) -> set[datetime]:
    """Hours already made that lie at or after a later change of a dimension that they read as of their time."""
    return {
        hour
        for source in table.inputs
        if source.as_of
        for since, version in _dimension_changes(ledger, source)
        for hour, versions in consumed.items()
        if version > versions.get(source.table.name, -1) and grain(table, since) <= hour
    }


def _dimension_changes(ledger: Ledger, source: Input) -> list[tuple[datetime, int]]:
    """(first affected hour, version) of each publish of a dimension."""
    return [
        (min(entry.affected_hours[FOLLOWING]), entry.output_version or 0)
        for entry in ledger.published(source.table.name)
        if entry.affected_hours.get(FOLLOWING)
    ]


def missing_hours(ledger: Ledger, table: Table) -> list[datetime]:
    """Hours that a recreated table had before and still lacks, oldest first. A run of any interval makes them.

    For a table with an event these are landed hours; for other tables, the hours that `due` counts.
    """
    if table.event:
        fingerprints = ledger.fingerprints(table.name)
        return sorted(datetime.fromisoformat(hour) for hour, found in fingerprints.items() if found == TO_BE_READ)
    missing = ledger.processed_before(table.name) - ledger.consumed(table.name).keys()
    return [hour for hour in due(ledger, table, None) if hour in missing] if missing else []


def open_from(ledger: Ledger, table: Table) -> datetime | None:
    """The first hour of a table that can still be made; None when retention removed nothing yet.

    Retention removed earlier hours, or the inputs they are made from. These hours are never made again.
    """
    kept = [(ledger.kept_from(table.name), 0)]
    kept += [(ledger.kept_from(i.table.name), i.behind_hours) for i in table.sources.values() if not i.as_of]
    return max((kept_from + behind * HOUR for kept_from, behind in kept if kept_from), default=None)


def reads_landed_hours(table: Table) -> bool:
    """Whether a table counts landed hours (facts, dimensions) and not the hours of its own rows (rollups, marts)."""
    return isinstance(table.write, InsertNew | Scd2)


def grain(table: Table, hour: datetime) -> datetime:
    """The partition of a table that an hour belongs to: the hour, or its day."""
    return hour.replace(hour=0) if table.daily else hour


def output_hours(source: Input, table: Table, hour: datetime) -> set[datetime]:
    """The hours (days) of a table that read an hour (day) of an input; none outside FIRST … LAST."""
    if not FIRST <= hour <= LAST:
        return set()
    last = grain(table, hour + (source.behind_hours + (23 if source.table.daily else 0)) * HOUR)
    first, step = grain(table, hour - source.ahead_hours * HOUR), 24 * HOUR if table.daily else HOUR
    return {first + i * step for i in range((last - first) // step + 1)}
