"""Plans a restore: the version of each table at the point, what is taken back, and what makes the point unreachable."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from etl import catalog
from etl.engine.jobs.run_context import RunContext
from etl.engine.landing import reader as landing
from etl.engine.landing.arrivals import EMPTY
from etl.engine.state.entry import PASSED, SUPERSEDED, TO_BE_READ, UNKNOWN, WITHOUT_FILES, Entry
from etl.errors import ConfigError, LakeError, LandingError
from etl.model.contract import Table
from etl.operations.maintenance.compact_ledger import COMPACTED
from etl.operations.restore import timeline
from etl.operations.restore.cut import Cut
from etl.operations.restore.timeline import Timeline
from etl.operations.retention import window

NOT_READ = (EMPTY, TO_BE_READ, UNKNOWN, WITHOUT_FILES)


@dataclass(frozen=True)
class Point:
    """The point to restore to: a time (UTC), or the moment at which a version of a table was published.

    Without either it is the newest consistent point of what is there. tables: names; empty means all.
    """

    time: datetime | None = None
    version: tuple[str, int] | None = None
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A restore. time: of the point; None is the newest one. targets: restored table -> its version at the point.

    rows: the rows of the ledger at the point, oldest first. taken_back: those of them that do not count any more.
    """

    id: str
    time: datetime | None
    timelines: Mapping[str, Timeline]
    targets: Mapping[str, int]
    rows: list[Entry]
    taken_back: list[Entry]

    @property
    def moves(self) -> bool:
        """Whether any table gets another content."""
        return any(version != self.timelines[name].newest for name, version in self.targets.items())

    def as_rows(self) -> list[dict[str, object]]:
        """A row per table: its newest version, its version at the point, since when, and the hours taken back."""
        return [self._row(name, version) for name, version in self.targets.items()]

    def _row(self, name: str, version: int) -> dict[str, object]:
        commit, taken = self.timelines[name].by_version[version], [e for e in self.taken_back if e.table_name == name]
        hours = {state["hour"] for e in taken for state in e.published_hours}
        newest = self.timelines[name].newest
        return {"table": name, "newest": newest, "to": version, "published": commit.at, "hours taken back": len(hours)}


def make(context: RunContext, point: Point) -> Plan:
    """Plan a restore. Raises ConfigError, LakeError or LandingError when the point cannot be reached."""
    timelines = _timelines(context)
    names = _names(point, timelines)
    time = _time(point, timelines)
    cut = _cut(context, timelines, {name: timelines[name].at(time) for name in names})
    if point.version and point.version[0] in names:
        cut.versions |= dict([point.version])
    cut.make_consistent()
    targets = {n: cut.versions[n] for n, line in timelines.items() if n in names or cut.versions[n] != line.newest}
    refuse_unreachable(timelines, targets)
    planned = _plan(context, cut, targets, time)
    _refuse_without_landed_files(context, planned.taken_back)
    return planned


def at(context: RunContext, targets: Mapping[str, int], time: datetime | None) -> Plan:
    """The plan of a restore that has begun. Tables may be restored already."""
    return _plan(context, _cut(context, _timelines(context), targets), targets, time)


def _timelines(context: RunContext) -> dict[str, Timeline]:
    existing = window.tables(context)
    kept = {table.name: context.ledger.kept_from(table.name) for table in existing}
    return timeline.read(context.spark, {context.uri(table): table for table in existing}, kept)


def _cut(context: RunContext, timelines: Mapping[str, Timeline], versions: Mapping[str, int]) -> Cut:
    newest = {name: line.newest for name, line in timelines.items()}
    return Cut(timelines, context.ledger.is_current, "quarantine", newest | dict(versions))


def _plan(context: RunContext, cut: Cut, targets: Mapping[str, int], time: datetime | None) -> Plan:
    rows, taken_back = _rows(context, cut, dict.fromkeys(targets, time))
    return Plan(context.run_id, time, cut.timelines, targets, rows, taken_back)


def _names(point: Point, existing: Mapping[str, Timeline]) -> set[str]:
    """The chosen tables and all tables that are made from them. Raises ConfigError when one is not in the lake."""
    for name in (*point.tables, *((point.version[0],) if point.version else ())):
        if name not in existing:
            catalog.entry(name)
            raise ConfigError(f"{name} is not in the lake: there is nothing to restore.")
    if not point.tables:
        return set(existing)
    chosen = set(point.tables)
    return {n for n, line in existing.items() if chosen & {n, *(t.name for t in catalog.upstream(line.table))}}


def _time(point: Point, timelines: Mapping[str, Timeline]) -> datetime | None:
    """The time of a point: that of the version it names. Raises ConfigError when there is no such version."""
    if point.version is None:
        return point.time
    name, version = point.version
    line = timelines[name]
    if not 0 <= version <= line.newest:
        raise ConfigError(f"{name} has no version {version}; its newest one is {line.newest}.")
    refuse_unreachable(timelines, {name: version})
    return line.by_version[version].at


def refuse_unreachable(timelines: Mapping[str, Timeline], targets: Mapping[str, int]) -> None:
    """Raises LakeError, with the oldest reachable point, when files of a version were removed already."""
    gone = [name for name, version in targets.items() if version < timelines[name].oldest]
    if gone:
        oldest = max(at for name in targets if (at := timelines[name].reaches_back_to))
        raise LakeError(
            f"{gone[0]} cannot be restored to version {targets[gone[0]]}: files of it were removed (vacuum, retention, "
            f"erasure). The oldest point that all these tables can be restored to is {oldest:%Y-%m-%dT%H:%M:%S}, UTC. "
            "For an older one, put a copy of the lake back."
        )


def _rows(context: RunContext, cut: Cut, times: Mapping[str, datetime | None]) -> tuple[list[Entry], list[Entry]]:
    """The rows of the ledger at the point, and those that are taken back. times: table -> time of its point."""
    rows = {_key(e): dataclasses.replace(e) for e in context.ledger.entries}
    for line in cut.timelines.values():
        for entry in (c.entry for c in line.commits if c.entry):
            rows.setdefault(_key(entry), dataclasses.replace(entry, table_id=line.table_id))
    histories, taken_back = {name: cut.history(name) for name in cut.versions}, []
    for entry in rows.values():
        before = entry.verdict
        if entry.table_name in histories and before in (PASSED, SUPERSEDED):
            is_kept = _counts(entry, cut, histories, times.get(entry.table_name))
            entry.verdict = PASSED if is_kept else SUPERSEDED
            taken_back += [entry] if (before, entry.verdict) == (PASSED, SUPERSEDED) else []
    return sorted(rows.values(), key=lambda e: e.started_at), taken_back


def _key(entry: Entry) -> tuple[str, str, datetime]:
    return entry.run_id, entry.table_name, entry.started_at


def _counts(entry: Entry, cut: Cut, histories: Mapping[str, set[int]], time: datetime | None) -> bool:
    """Whether a row of the ledger counts at the point. A row of an earlier table of the same name does not change."""
    name = entry.table_name
    if not cut.is_current(name, entry.table_id):
        return entry.verdict == PASSED
    if entry.output_version is None:
        is_older = time is None or entry.started_at <= time
        return is_older and entry.seen in histories[name] and cut.has_inputs(entry, histories)
    return entry.output_version in histories[name] and _is_of_commit(entry, cut.timelines[name])


def _is_of_commit(entry: Entry, line: Timeline) -> bool:
    """Whether a row is that of the commit of its version. A lost commit had the same number as a later one."""
    commit = line.by_version.get(entry.output_version or 0)
    return entry.run_id == COMPACTED or not (commit and commit.entry) or _key(commit.entry) == _key(entry)


def _refuse_without_landed_files(context: RunContext, taken_back: list[Entry]) -> None:
    """Raises LandingError when a landed hour that is taken back has no files any more: no run could make it again."""
    for table in (t for t in catalog.tables() if t.event):
        assert table.event
        read = {
            h for e in taken_back if e.table_name == table.name for h, f in e.fingerprints.items() if f not in NOT_READ
        }
        hours = sorted(h for h in map(datetime.fromisoformat, read) if _is_kept(context, table, h))
        parts = landing.listing(context.spark, context.settings, table.event, hours)
        gone = [part.hour for part in parts if not part.files]
        if gone:
            raise LandingError(
                f"{table.event.name} of {gone[0]:{landing.HOUR}} was read after the point, and its files are gone: "
                "no run could read them again. Put the landed files back, or choose a later point."
            )


def _is_kept(context: RunContext, table: Table, hour: datetime) -> bool:
    first = context.ledger.kept_from(table.name)
    return first is None or hour.astimezone(UTC) >= first
