"""Decides who is mailed about a problem: once when it begins, once a day while it is open, once when it is resolved.

The file `<outbox>/problems/mailed.json` records what was mailed. Owners get mails about their tables, and a separate
mail about a failed gate. On-call gets mails about everything.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from etl.conf import Settings
from etl.engine.state.entry import Entry
from etl.errors import MailError, first_line
from etl.reports import failure_log, problem_mail, quality_reports
from etl.reports.outbox import Outbox
from etl.reports.problem_mail import ON_CALL, Digest
from etl.reports.problems import GATE, Problem
from etl.reports.quality_mail import compose

REMIND = timedelta(days=1)
Row = dict[str, str]


@dataclass
class Mailed:
    """What was mailed before. `problems`: id -> title, owner, since, time of the last mail. `runs`: run id -> time."""

    problems: dict[str, dict[str, str]] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)

    def is_due(self, problem: str, now: datetime) -> bool:
        """Whether a problem is new, or its last mail is a day old."""
        known = self.problems.get(problem)
        return known is None or now - datetime.fromisoformat(known["mailed"]) >= REMIND

    def add(self, problem: Problem, now: datetime) -> None:
        """Record a mail about a problem."""
        record = {"title": problem.title, "owner": problem.owner, "since": problem.since.isoformat()}
        self.problems[problem.id] = record | {"mailed": now.isoformat()}


def write(settings: Settings, find: Callable[[], tuple[list[Entry], list[Problem], datetime]]) -> list[Row]:
    """Put all mails that are due into the outbox, and return a row for each of them.

    `find` returns the ledger, the open problems and now. It is called inside the lock: a problem that another process
    found and mailed after our search would look resolved. Raises ConfigError when an address is missing, MailError when
    the outbox cannot be written.
    """
    with _state(settings) as mailed:
        entries, found, now = find()
        before = {problem.id for problem in found if not mailed.is_due(problem.id, now)}
        known = set(mailed.problems)
        rows = list(_gates(settings, entries, mailed, before, now))
        rows += _digests(settings, mailed, found, known, now)
        for problem in found:
            if mailed.is_due(problem.id, now):
                mailed.add(problem, now)
        for resolved in mailed.problems.keys() - {problem.id for problem in found}:
            del mailed.problems[resolved]
    return rows


def _gates(settings: Settings, entries: list[Entry], mailed: Mailed, before: set[str], now: datetime) -> Iterator[Row]:
    """The mails about failed gates to owners. When several runs fail in the same way, only the newest is mailed."""
    outbox, reported = Outbox(settings), set(before)
    for run in reversed(quality_reports.failed_runs(entries, now - REMIND)):
        for report in quality_reports.of_run(entries, run):
            ids = {f"{GATE}:{s.table.name}:{f.rule}" for s in report.states for f in s.findings if f.blocks}
            is_news = run not in mailed.runs and not ids <= reported
            path = outbox.put(*compose(settings, report)) if is_news else None
            reported |= ids
            yield _row(report.owner, report.verdict, path, run)
        mailed.runs.setdefault(run, now.isoformat())


def _digests(settings: Settings, mailed: Mailed, found: list[Problem], known: set[str], now: datetime) -> Iterator[Row]:
    """The mails about problems that are new, still open or resolved: one to each reader who has any."""
    due = [p for p in found if mailed.is_due(p.id, now)]
    still_open = {p.id for p in found}
    resolved = [record | {"id": key} for key, record in mailed.problems.items() if key not in still_open]
    outbox = Outbox(settings)
    for owner in [ON_CALL, *sorted(settings.owners)]:
        for_reader = [p for p in due if owner == ON_CALL or (p.owner == owner and p.kind != GATE)]
        ended = [record for record in resolved if owner in (ON_CALL, record["owner"])]
        new, lasting = ([p for p in for_reader if (p.id in known) == old] for old in (False, True))
        digest = Digest(owner, now, new, lasting, ended)
        people = settings.on_call if owner == ON_CALL else settings.owners[owner]
        if people and (for_reader or ended):
            path = outbox.put(_name(digest), problem_mail.compose(settings, digest, people))
            yield _row(owner, digest.verdict, path)


def _name(digest: Digest) -> str:
    """The same problems give the same name, so a mail is written once, even when a kill came before it was recorded."""
    news = [f"{p.id} {p.since}" for p in digest.new]
    news += [f"{p.id} {digest.now.date()}" for p in digest.lasting]
    news += [f"{record['id']} {record['since']} over" for record in digest.resolved]
    key = hashlib.sha256("\n".join(news).encode()).hexdigest()[:16]
    return f"problems-{digest.owner}-{key}"


def _row(owner: str, verdict: str, path: Path | None, run: str = "") -> Row:
    return {"owner": owner, "verdict": verdict, "run": run, "mail": str(path) if path else "written before"}


@contextmanager
def _state(settings: Settings) -> Iterator[Mailed]:
    """The record of what was mailed, locked for one process and written back at the end.

    Raises MailError when it cannot be written.
    """
    folder = failure_log.place(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            mailed = _read(folder / "mailed.json")
            yield mailed
            failure_log.write_json(folder / "mailed.json", {"problems": mailed.problems, "runs": mailed.runs})
    except OSError as error:
        raise MailError(f"The outbox {folder.parent} cannot be written: {first_line(error)}") from error


def _read(file: Path) -> Mailed:
    """A broken file counts as no file. Every open problem is then mailed once more."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return Mailed(found["problems"], found["runs"])
    except (OSError, ValueError, KeyError, TypeError):
        return Mailed()
