"""Problems: what owners or on-call must hear of and that is not over yet, whatever kind of failure it is.

From the ledger: refused gates, tables that raised, late hours. From the failure log: commands that failed before the
ledger could say so. Incomplete erasures and mails that wait are problems, too. No text of a problem is from a record.
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
from etl.reports.outbox import Outbox
from etl.reports.quality import FAILED, late_now, states

GATE, ERROR, COMMAND, LATE, ERASURE, MAIL = "gate", "error", "command", "late", "erasure", "mail"
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
    """One thing that is wrong. `owner` is empty when it is on-call's alone; `hours` are the hours it is about.

    Two failures with the same `id` are one problem: retries and further hours of it are no news.
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
        return f"{self.kind}:{self.subject}:{self.what}"


def of_ledger(settings: Settings, entries: list[Entry], now: datetime) -> list[Problem]:
    """Gates that are closed, tables that raised and late hours, as the ledger has them at an instant."""
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
    """One for each table and class of error, from its first row that is open."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in run_errors.open_errors(entries):
        found.setdefault((entry.table_name, entry.reason.partition(":")[0]), []).append(entry)
    for (name, error), rows in found.items():
        table, detail = catalog.entry(name).table, f"{advice.shown(rows[-1].reason)}; {_times(len(rows), 'run')}"
        step = BY_CODE.get(CODES.get(error, 1), OTHERWISE)
        hours = sorted({hour for row in rows for hour in run_errors.hours_of(row)})
        title = f"{name} could not be made: {error}"
        yield Problem(ERROR, name, error, table.owner, rows[0].started_at, title, detail, step, tuple(hours))


def _late(settings: Settings, entries: list[Entry]) -> Iterator[Problem]:
    for table in catalog.tables():
        late = late_now([e for e in entries if e.table_name == table.name]) if table.event else []
        if late and table.event:
            name, hours = table.event.name, tuple(each.hour for each in late)
            title = f"{name}: {_times(len(late), 'landed hour')} late"
            step = "Ask the producer for the files; when they are there, run these hours again."
            is_warning = settings.completeness.of(name).severity != "critical"
            yield Problem(LATE, name, "", table.owner, hours[0], title, late[-1].message, step, hours, is_warning)


def of_commands(failed: Iterable[CommandFailure]) -> list[Problem]:
    """Commands that failed and have not succeeded since."""
    return [_command(failure) for failure in failed]


def _command(failure: CommandFailure) -> Problem:
    text, code = failure.command.text, failure.code
    how = f"exit code {code}, {failure.error}" if code is not None else failure.error
    hours = tuple(datetime.strptime(h, failure_log.HOUR).replace(tzinfo=UTC) for h in failure.command.hours)
    title = f"feed-etl {text} failed: {failure.error.partition(':')[0]}"
    detail = f"{advice.shown(how)}; {_times(failure.count, 'time')}"
    return Problem(COMMAND, text, "", "", failure.first, title, detail, BY_CODE.get(code or 1, OTHERWISE), hours)


def of_erasures(receipts: Iterable[dict[str, Any]]) -> Iterator[Problem]:
    """Erasures whose newest receipt is not complete. Receipts oldest first.

    Receipts with one `mark` are of one erasure. Their reasons and what they name are not repeated.
    """
    by_erasure: dict[str, list[dict[str, Any]]] = {}
    for receipt in receipts:
        by_erasure.setdefault(receipt.get("mark") or receipt["id"], []).append(receipt)
    for key, mine in by_erasure.items():
        if not mine[-1]["complete"]:
            left = _unread(mine[-1])
            missed = f"{_times(left, 'place')} could not be looked at or finished."
            detail = missed if left else "Files wait to be removed."
            step = "Run `feed-etl maintain`; repair or remove landed files that cannot be read (docs/retention.md)."
            title, since = f"{mine[0]['id']} is not complete", datetime.fromisoformat(mine[0]["at"])
            yield Problem(ERASURE, key, "", "", since, title, detail, step)


def _unread(receipt: dict[str, Any]) -> int:
    """How many places nobody could look at; files that only wait for a run are none."""
    waiting = sum("files_waiting" in done for done in receipt.get("tables", {}).values())
    return max(len(receipt.get("unread") or []), len(receipt.get("incomplete") or []) - waiting)


def of_outbox(outbox: Outbox, now: datetime) -> Iterator[Problem]:
    """Mails that have waited for over an hour, and those that a server refused for good within the last day."""
    waiting = {path: _changed(path) for path in outbox.waiting()}
    refused = {path: _changed(path) for path in outbox.refused()}
    parts = (
        ("waiting", [at for at in waiting.values() if at < now - HOUR], "wait in the outbox", BY_CODE[8]),
        ("refused", [at for at in refused.values() if at > now - DAY], "were refused by the mail server",
         "Look at the addresses in conf/ (`owners`, `on_call`) and at the folder refused/ of the outbox."),
    )  # fmt: skip
    for what, times, said, step in parts:
        if times:
            title = f"{_times(len(times), 'mail')} {said}"
            yield Problem(MAIL, "outbox", what, "", min(times), title, "Nobody has read what they say.", step)


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _times(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
