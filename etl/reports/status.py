"""The status of a lake as values, from the ledger and the outbox alone: no Spark, no file of a table is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from etl.conf import Settings
from etl.engine.delta import offline
from etl.engine.state import backlog, planner
from etl.engine.state import offline as offline_state
from etl.engine.state.backlog import Backlog
from etl.engine.state.entry import Entry
from etl.engine.state.ledger import Ledger
from etl.engine.state.measures import without_verdict
from etl.errors import ConfigError
from etl.model.contract import Table
from etl.operations.erasure import register
from etl.reports import failure_log, freshness, held_log, operations, problems, quality
from etl.reports.freshness import Freshness
from etl.reports.outbox import Outbox
from etl.reports.problems import Problem

QUARANTINE_HOURS = 24
"""Landed hours, counted back from the newest one, over which the share of quarantined records is taken."""
FAILED, WAITING, LATE, BEHIND, NOT_RUN, OK = "failed", "waiting", "late", "behind", "not run", "ok"
ORDER = (FAILED, WAITING, LATE, BEHIND, NOT_RUN, OK)
"""The states of a table, the worst first. failed: a gate, or an error. waiting: a table that it reads failed. behind:
hours are due."""


@dataclass(frozen=True)
class TableStatus:
    """One table: its state, its newest hour (day), the number of hours (days) that are due, and which wait how long.

    unjudged: hours of the last four weeks that some rule about history could not judge.
    """

    table: Table
    state: str
    newest: datetime | None
    due: int
    backlog: Backlog
    unjudged: int = 0


@dataclass(frozen=True)
class Quarantine:
    """Records of the newest landed hours: read, and put into quarantine; `worst` is (table, its share)."""

    read: int
    quarantined: int
    worst: tuple[str, float] | None

    @property
    def share(self) -> float:
        """Quarantined records per record read; 0 without records."""
        return self.quarantined / self.read if self.read else 0.0


@dataclass(frozen=True)
class ToDo:
    """Something that a person must do: what is open, since when, and the next step."""

    what: str
    step: str
    since: datetime | None = None
    is_warning: bool = False


NO_RUN = ToDo("no run has ended in this lake yet", "Run landed hours: `feed-etl run --from … --to …`.", is_warning=True)


@dataclass(frozen=True)
class Status:
    """The status of a lake at `now`. landed: the newest landed hour. notes: what could not be looked at."""

    lake: str
    now: datetime
    landed: datetime | None
    last_run: datetime | None
    tables: list[TableStatus]
    quarantine: Quarantine
    todo: list[ToDo]
    notes: list[str] = field(default_factory=list)

    @property
    def lag(self) -> timedelta | None:
        """The time since the end of the newest landed hour; None before the first one."""
        return max(timedelta(0), self.now - self.landed - planner.HOUR) if self.landed else None

    @property
    def states(self) -> Counter[str]:
        """State -> number of tables."""
        return Counter(each.state for each in self.tables)

    @property
    def is_ok(self) -> bool:
        """Whether nothing is open that is more than a warning."""
        return all(each.is_warning for each in self.todo)

    def as_json(self) -> dict[str, Any]:
        """The status as one document."""
        return {
            "lake": self.lake,
            "at": self.now,
            "ok": self.is_ok,
            "newest_landed_hour": self.landed,
            "lag_seconds": None if self.lag is None else round(self.lag.total_seconds()),
            "last_run": self.last_run,
            "tables": [
                {"name": t.table.name, "layer": t.table.layer.name.lower(), "state": t.state, "newest": t.newest,
                 "due": t.due, "oldest_due_seconds": round(t.backlog.age(self.now).total_seconds()),
                 "recovery": t.backlog.recovery, "hours_without_history_verdict": t.unjudged}
                for t in self.tables
            ],
            "quarantine": asdict(self.quarantine) | {"share": self.quarantine.share, "hours": QUARANTINE_HOURS},
            "to_do": [asdict(each) for each in self.todo],
            "notes": self.notes,
        }  # fmt: skip


def of_lake(settings: Settings, now: datetime) -> Status:
    """The status of a lake. Raises LakeError when it does not exist or its ledger cannot be read."""
    ledger = offline_state.ledger(settings)
    now = max([now, *(e.started_at for e in ledger.entries[-1:])])  # the ledger may be ahead of a clock set back
    fresh = freshness.of_tables(ledger)
    found, notes = _problems(settings, ledger.entries, now)
    landed = freshness.newest_landed(ledger)
    tables = _tables(ledger, fresh, found, now)
    no_run = [] if ledger.entries else [NO_RUN]
    return Status(
        lake=settings.lake,
        now=now,
        landed=landed,
        last_run=max((e.started_at for e in ledger.entries), default=None),
        tables=tables,
        quarantine=_quarantine(ledger, landed),
        todo=[*map(_to_do, found), *_behind(tables, found), *_to_recover(tables), *no_run],
        notes=notes,
    )


def _problems(settings: Settings, entries: list[Entry], now: datetime) -> tuple[list[Problem], list[str]]:
    """The open problems, those that are more than warnings first, and what could not be looked at."""
    found = problems.of_ledger(settings, entries, now)
    found += problems.of_erasures(register.documents(offline.rows(settings, "_erasure/receipts")))
    notes = []
    try:
        found += problems.of_commands(failure_log.failures(settings))
        found += [*problems.of_outbox(Outbox(settings), now), *problems.of_held(held_log.read(settings))]
    except ConfigError:
        notes.append("Not shown: failed commands, held actions, mails. The outbox is not local.")
    return sorted(found, key=lambda each: (each.is_warning, each.since)), notes


def _to_do(problem: Problem) -> ToDo:
    return ToDo(f"{problem.title} ({problem.detail.rstrip('.')})", problem.step, problem.since, problem.is_warning)


def _tables(ledger: Ledger, fresh: list[Freshness], found: list[Problem], now: datetime) -> list[TableStatus]:
    """The status of every table of the subjects that ran, in the order data flows."""
    verdicts = quality.states(ledger.entries, now, now + problems.INSTANT)
    with_error = {each.subject for each in found if each.kind in (problems.GATE, problems.ERROR)}
    by_verdict = {quality.FAILED: FAILED, quality.WAITING: WAITING, quality.LATE: LATE}
    waiting = backlog.of_ledger(ledger)
    made = []
    for each in fresh:
        name = each.table.name
        state = FAILED if name in with_error else by_verdict.get(verdicts[name].verdict, OK)
        due = each.behind_hours or 0
        if state == OK and (due or each.newest is None):
            state = BEHIND if due else NOT_RUN
        waits = waiting.get(name) or Backlog(name)
        made.append(TableStatus(each.table, state, each.newest, due, waits, without_verdict(ledger, each.table)))
    return made


def _behind(tables: list[TableStatus], found: list[Problem]) -> list[ToDo]:
    """What to do about hours that are due. A failed table has a line of its own, and explains those that read it."""
    behind = [each for each in tables if each.due]
    if not behind or any(each.kind in (problems.GATE, problems.ERROR) for each in found):
        return []
    worst = max(behind, key=lambda each: each.due)
    what = f"{len(behind)} tables have hours that are due, {worst.table.name} has {worst.due}"
    since = min((each.backlog.since for each in behind if each.backlog.since), default=None)
    return [ToDo(what, "Run the landed hours again: `feed-etl run --from … --to …`.", since, is_warning=True)]


def _to_recover(tables: list[TableStatus]) -> list[ToDo]:
    """What to do about hours that failed in three runs: runs leave them out."""
    listed = {each.table.name: each.backlog.recovery for each in tables if each.backlog.recovery}
    if not listed:
        return []
    name, hours = max(listed.items(), key=lambda each: len(each[1]))
    what = f"the recovery list has {sum(map(len, listed.values()))} hours, {name} has {len(hours)}"
    return [ToDo(what, "Remove the cause, then `feed-etl recover`.", is_warning=True)]


def _quarantine(ledger: Ledger, landed: datetime | None) -> Quarantine:
    """Records of the last landed hours, by the newest run of each event and its hours."""
    since = landed - QUARANTINE_HOURS * planner.HOUR if landed else None
    read, bad = Counter[str](), Counter[str]()
    for table in operations.tables(ledger):
        for entry in _newest(ledger, table, since) if table.event and since else ():
            read[table.name] += entry.records_read
            bad[table.name] += entry.records_quarantined
    worst = max(((name, bad[name] / read[name]) for name in read if bad[name]), key=lambda each: each[1], default=None)
    return Quarantine(read.total(), bad.total(), worst)


def _newest(ledger: Ledger, table: Table, since: datetime) -> Iterable[Entry]:
    """The newest run for each set of landed hours of a table that ends after `since`."""
    published = [e for e in ledger.published(table.name) if e.records_read and e.processed_hours]
    return {tuple(e.processed_hours): e for e in published if max(e.processed_hours) > since}.values()
