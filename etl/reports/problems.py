"""Open problems: everything that owners or on-call must learn about and that is not resolved yet.

The ledger gives rejected batches, tables that raised an error, and late hours. The failure log gives commands that
failed before the ledger could record it, the held log gives what maintenance holds. Incomplete erasures and unsent
mails are problems, too. No text of a problem comes from a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from etl import catalog
from etl.conf import Settings
from etl.engine.jobs import run_errors
from etl.engine.state.entry import Entry
from etl.reports import failure_log
from etl.reports import quality_advice as advice
from etl.reports.failure_log import CommandFailure
from etl.reports.held_log import Held
from etl.reports.outbox import Outbox
from etl.reports.quality import FAILED, late_now, states

GATE, ERROR, COMMAND, LATE, ERASURE, MAIL, HELD = "gate", "error", "command", "late", "erasure", "mail", "held"
INSTANT, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)
BY_CODE = {
    2: "The message names the setting or the option: correct it, then run the same command again.",
    3: "Make the landing zone readable (docs/runbook.md, Landing), then run the same command again.",
    4: "Repair the cause (docs/runbook.md, Gate), then run the same command again.",
    5: "Deploy the code that fits the lake, or repair the suite (docs/runbook.md, Contract), then run again.",
    6: "Let the other run end, then run the same command again (docs/runbook.md, Conflict).",
    7: "Repair the lake or its disk (docs/runbook.md, Lake), then run the same command again.",
    8: "Look at the outbox and the mail server (docs/runbook.md, Mail), then `feed-etl report send`.",
}
OTHERWISE = "Look into the log of the run, then run the same command again (docs/runbook.md, Killed)."
CODES = {"ConfigError": 2, "LandingError": 3, "ContractViolation": 5, "ConflictError": 6, "LakeError": 7}


@dataclass(frozen=True)
class Problem:
    """One open problem. `owner` is empty when only on-call must know; `hours` are the hours that it affects.

    Failures with the same `id` are one problem: a retry or a further hour is not reported again.
    """

    kind: str
    subject: str
    what: str
    owner: str
    since: datetime
    title: str
    detail: str
    step: str
    hours: tuple[datetime, ...] = ()
    is_warning: bool = False

    @property
    def id(self) -> str:
        """The identity of the problem over time."""
        return f"{self.kind}:{self.subject}:{self.what}"


def of_ledger(settings: Settings, entries: list[Entry], now: datetime) -> list[Problem]:
    """Closed gates, tables that raised an error, and late hours, by the ledger as of `now`."""
    known = [e for e in entries if e.started_at <= now]
    return [*_gates(known, now), *_errors(known), *_late(settings, known)]


def _gates(entries: list[Entry], now: datetime) -> Iterator[Problem]:
    for state in states(entries, now, now + INSTANT).values():
        for finding in state.findings if state.verdict == FAILED else []:
            if finding.blocks:
                table = state.table
                title = f"{table.name} failed its gate: {finding.rule}"
                step = advice.next_step(finding)
                yield Problem(GATE, table.name, finding.rule, table.owner, finding.since, title, finding.reason, step,
                              tuple(state.open_hours))  # fmt: skip


def _errors(entries: list[Entry]) -> Iterator[Problem]:
    """A problem for each table and class of error. It begins with the first ledger row that is open."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in run_errors.open_errors(entries):
        found.setdefault((entry.table_name, entry.reason.partition(":")[0]), []).append(entry)
    for (name, error), rows in found.items():
        table, detail = catalog.entry(name).table, f"{advice.shown(rows[-1].reason)}; {_plural(len(rows), 'run')}"
        step = BY_CODE.get(CODES.get(error, 1), OTHERWISE)
        hours = sorted({hour for row in rows for hour in run_errors.hours_of(row)})
        title = f"{name} could not be made: {error}"
        yield Problem(ERROR, name, error, table.owner, rows[0].started_at, title, detail, step, tuple(hours))


def _late(settings: Settings, entries: list[Entry]) -> Iterator[Problem]:
    for table in catalog.tables():
        late = late_now([e for e in entries if e.table_name == table.name]) if table.event else []
        if late and table.event:
            name, hours = table.event.name, tuple(each.hour for each in late)
            title = f"{name}: {_plural(len(late), 'landed hour')} late"
            step = "Ask the producer for the files; when they are there, run these hours again."
            is_warning = settings.completeness.of(name).severity != "critical"
            yield Problem(LATE, name, "", table.owner, hours[0], title, late[-1].message, step, hours, is_warning)


def of_commands(failed: Iterable[CommandFailure]) -> list[Problem]:
    """A problem for each command that failed and has not succeeded since."""
    return [_command(failure) for failure in failed]


def _command(failure: CommandFailure) -> Problem:
    text, code = failure.command.text, failure.code
    outcome = f"exit code {code}, {failure.error}" if code is not None else failure.error
    hours = tuple(datetime.strptime(h, failure_log.HOUR).replace(tzinfo=UTC) for h in failure.command.hours)
    title = f"feed-etl {text} failed: {failure.error.partition(':')[0]}"
    detail = f"{advice.shown(outcome)}; {_plural(failure.count, 'time')}"
    return Problem(COMMAND, text, "", "", failure.first, title, detail, BY_CODE.get(code or 1, OTHERWISE), hours)


def of_held(held: Iterable[Held]) -> Iterator[Problem]:
    """A warning for each action that the last `feed-etl maintain` held until somebody gives --yes."""
    owners = {name: t.owner for t in catalog.tables() for name in (t.name, t.event.name if t.event else t.name)}
    step = "Look at `feed-etl maintain --dry-run`. If that is to be removed, run `feed-etl maintain --yes`."
    for each in held:
        title = f"maintain holds the {each.step} step of {each.place}: it needs --yes"
        owner, since = owners.get(each.place, ""), each.since
        yield Problem(HELD, each.place, each.step, owner, since, title, each.what, step, is_warning=True)


def of_erasures(receipts: Iterable[dict[str, Any]]) -> Iterator[Problem]:
    """A problem for each erasure whose newest receipt is not complete. Receipts come oldest first.

    Receipts with the same `mark` belong to one erasure. The problem repeats neither the reason of the erasure nor what
    the receipt names, because both may identify a person.
    """
    by_erasure: dict[str, list[dict[str, Any]]] = {}
    for receipt in receipts:
        by_erasure.setdefault(receipt.get("mark") or receipt["id"], []).append(receipt)
    for key, attempts in by_erasure.items():
        if not attempts[-1]["complete"]:
            unread = _unread(attempts[-1])
            missed = f"{_plural(unread, 'place')} could not be read or finished."
            detail = missed if unread else "Files wait to be removed."
            step = "Run `feed-etl maintain`; repair or remove landed files that cannot be read (docs/retention.md)."
            title, since = f"{attempts[0]['id']} is not complete", datetime.fromisoformat(attempts[0]["at"])
            yield Problem(ERASURE, key, "", "", since, title, detail, step)


def _unread(receipt: dict[str, Any]) -> int:
    """The number of places that the erasure could not read. Files that only wait for a run do not count."""
    waiting = sum("files_waiting" in done for done in receipt.get("tables", {}).values())
    return max(len(receipt.get("unread") or []), len(receipt.get("incomplete") or []) - waiting)


def of_outbox(outbox: Outbox, now: datetime) -> Iterator[Problem]:
    """Mails that have waited for over an hour, and mails that a server refused permanently within the last day."""
    waiting = {path: _changed(path) for path in outbox.waiting()}
    refused = {path: _changed(path) for path in outbox.refused()}
    parts = (
        ("waiting", [at for at in waiting.values() if at < now - HOUR], "wait in the outbox", BY_CODE[8]),
        ("refused", [at for at in refused.values() if at > now - DAY], "were refused by the mail server",
         "Look at the addresses in conf/ (`owners`, `on_call`) and at the folder refused/ of the outbox."),
    )  # fmt: skip
    for what, times, state, step in parts:
        if times:
            title = f"{_plural(len(times), 'mail')} {state}"
            yield Problem(MAIL, "outbox", what, "", min(times), title, "Their readers did not get them.", step)


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
