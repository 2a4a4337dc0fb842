"""Who is mailed about which problem, and when: once when it begins, once a day while it lasts, once when it is over.

What was mailed is kept in `<outbox>/problems/mailed.json`. Owners hear of their tables (of a gate by its own mail),
on-call of everything.
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
KEPT = timedelta(days=2)  # how long a run with a failed gate is remembered; they are looked for over one day
Row = dict[str, str]


@dataclass
class Mailed:
    """What was mailed before: problem id -> title, owner, since and the time of the last mail; runs -> when."""

    problems: dict[str, dict[str, str]] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)

    def is_due(self, problem: str, now: datetime) -> bool:
        """Whether a problem is new, or its last mail a day old."""
        known = self.problems.get(problem)
        return known is None or now - datetime.fromisoformat(known["mailed"]) >= REMIND

    def add(self, problem: Problem, now: datetime) -> None:
        said = {"title": problem.title, "owner": problem.owner, "since": problem.since.isoformat()}
        self.problems[problem.id] = said | {"mailed": now.isoformat()}


def write(settings: Settings, find: Callable[[], tuple[list[Entry], list[Problem], datetime]]) -> list[Row]:
    """Put all mails that are due into the outbox; returns a row for each. Raises ConfigError, MailError.

    `find` gives the ledger, the problems and now. It is called while no other process writes mails: what another has
    found meanwhile would seem to be over.
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
        for over in mailed.problems.keys() - {problem.id for problem in found}:
            del mailed.problems[over]
    return rows


def _gates(settings: Settings, entries: list[Entry], mailed: Mailed, before: set[str], now: datetime) -> Iterator[Row]:
    """The mail of a failed gate to its owner; of several runs that fail alike, the newest is told."""
    outbox, told = Outbox(settings), set(before)
    for run in reversed(quality_reports.failed_runs(entries, now - REMIND)):
        for report in quality_reports.of_run(entries, run):
            ids = {f"{GATE}:{s.table.name}:{f.rule}" for s in report.states for f in s.findings if f.blocks}
            is_news = run not in mailed.runs and not ids <= told
            path = outbox.put(*compose(settings, report)) if is_news else None
            told |= ids
            yield _row(report.owner, report.verdict, path, run)
        mailed.runs.setdefault(run, now.isoformat())


def _digests(settings: Settings, mailed: Mailed, found: list[Problem], known: set[str], now: datetime) -> Iterator[Row]:
    due = [p for p in found if mailed.is_due(p.id, now)]
    still = {p.id for p in found}
    over = [said | {"id": key} for key, said in mailed.problems.items() if key not in still]
    outbox = Outbox(settings)
    for owner in [ON_CALL, *sorted(settings.owners)]:
        mine = [p for p in due if owner == ON_CALL or (p.owner == owner and p.kind != GATE)]
        ended = [said for said in over if owner in (ON_CALL, said["owner"])]
        new, lasting = ([p for p in mine if (p.id in known) == old] for old in (False, True))
        digest = Digest(owner, now, new, lasting, ended)
        people = settings.on_call if owner == ON_CALL else settings.owners[owner]
        if people and (mine or ended):
            path = outbox.put(_name(digest), problem_mail.compose(settings, digest, people))
            yield _row(owner, digest.verdict, path)


def _name(digest: Digest) -> str:
    """The same news has the same name: written once, also when a kill came before it was remembered."""
    news = [f"{p.id} {p.since}" for p in digest.new]
    news += [f"{p.id} {digest.now.date()}" for p in digest.lasting]
    news += [f"{said['id']} {said['since']} over" for said in digest.over]
    key = hashlib.sha256("\n".join(news).encode()).hexdigest()[:16]
    return f"problems-{digest.owner}-{key}"


def _row(owner: str, verdict: str, path: Path | None, run: str = "") -> Row:
    return {"owner": owner, "verdict": verdict, "run": run, "mail": str(path) if path else "written before"}


@contextmanager
def _state(settings: Settings) -> Iterator[Mailed]:
    """What was mailed, written back at the end; one process at a time. Raises MailError when it cannot be written."""
    place = failure_log.place(settings)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with open(place / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            mailed = _read(place / "mailed.json")
            yield mailed
            failure_log.write_json(place / "mailed.json", {"problems": mailed.problems, "runs": mailed.runs})
    except OSError as error:
        raise MailError(f"The outbox {place.parent} cannot be written: {first_line(error)}") from error


def _read(file: Path) -> Mailed:
    """A file that is not what it should be is as none: then everything is mailed once more."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return Mailed(found["problems"], found["runs"])
    except (OSError, ValueError, KeyError, TypeError):
        return Mailed()
