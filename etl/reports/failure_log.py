"""The failure log: commands that failed before the ledger could record it, such as a run without a landing zone.

Each command has one file in `<outbox>/problems/`. The file counts further failures of the same command. A success over
the same hours and tables removes it. No text in it comes from a record: of an error it keeps only `errors.lasting`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from etl import catalog
from etl.conf import Settings
from etl.errors import ConfigError
from etl.reports.outbox import folder

HOUR = "%Y-%m-%dT%H"
MAX_HOURS = 10_000  # of one command; hours beyond are not tracked


@dataclass(frozen=True)
class Command:
    """A command of `feed-etl`: its name, the tables it is limited to (None: all) and the landed hours it covers."""

    name: str
    tables: frozenset[str] | None = None
    hours: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The command as it is shown: with up to three tables; more, as those of a subject, are left out."""
        named = sorted(self.tables or ())
        return " ".join([self.name, *(f"--table {name}" for name in named)]) if len(named) <= 3 else self.name

    def covers(self, other: Command) -> bool:
        """Whether a success of this command resolves a failure of the other one, hours aside.

        A canceled backfill resolves the failures of its runs.
        """
        if (self.name, other.name) == ("backfill cancel", "backfill run"):
            return True
        has_its_tables = self.tables is None or (other.tables is not None and other.tables <= self.tables)
        return self.name == other.name and has_its_tables


@dataclass(frozen=True)
class CommandFailure:
    """A command that failed and has not succeeded since. `code` is its exit code, None when it was killed."""

    command: Command
    code: int | None
    error: str
    first: datetime
    last: datetime
    count: int = 1


def command(name: str, options: Mapping[str, Any]) -> Command:
    """The command with the options `table`, `subject`, `start` and `end`; a subject may be invalid, an hour missing.

    Only `run` is tracked hour by hour. One success of any other command resolves its failures.
    """
    tables, subjects = options.get("table"), options.get("subject")
    limited = frozenset(tables) if tables else None
    try:
        limited = frozenset(catalog.of_subjects(subjects)) if subjects else limited
    except ConfigError:
        return Command(name, limited)
    start, end = options.get("start"), options.get("end")
    if name != "run" or start is None or end is None:
        return Command(name, limited)
    count = min(MAX_HOURS, max(0, int((end - start) / timedelta(hours=1))))
    return Command(name, limited, tuple(f"{start + timedelta(hours=i):{HOUR}}" for i in range(count)))


def of_words(words: Iterable[str]) -> Command:
    """The command of a command line: `run --from … --to … --table …`."""
    arguments, options = list(words), dict[str, Any]()
    name = arguments[: 2 if arguments[:1] in (["backfill"], ["report"]) else 1]
    keys = {"--from": "start", "--to": "end", "--table": "table", "--subject": "subject"}
    for option, value in pairwise(arguments):
        if key := keys.get(option):
            options[key] = [*options.get(key, []), value] if key in ("table", "subject") else _hour(value)
    return command(" ".join(name), options)


def _hour(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, HOUR)
    except ValueError:
        return None


def note(settings: Settings, failed: Command, code: int | None, error: str, now: datetime | None = None) -> None:
    """Record a failure. Raises OSError when the file cannot be written, ConfigError when the outbox is not local."""
    now, file = now or datetime.now(UTC), _file(settings, failed)
    before = _read(file)
    made = CommandFailure(failed, code, error, now, now)
    if before:
        hours = tuple(sorted({*before.command.hours, *failed.hours}))
        made = replace(made, command=replace(failed, hours=hours), first=before.first, count=before.count + 1)
    _write(file, made)


def clear(settings: Settings, done: Command) -> None:
    """Remove the failures that a successful command resolves. Raises the errors of `note`."""
    for failure in failures(settings):
        if done.covers(failure.command):
            hours_left = tuple(hour for hour in failure.command.hours if hour not in set(done.hours))
            file = _file(settings, failure.command)
            if hours_left:
                _write(file, replace(failure, command=replace(failure.command, hours=hours_left)))
            else:
                file.unlink(missing_ok=True)


def failures(settings: Settings) -> list[CommandFailure]:
    """Commands that failed and have not succeeded since, oldest first. Raises ConfigError as `place` does."""
    found = (_read(file) for file in sorted(place(settings).glob("command-*.json")))
    return sorted((f for f in found if f), key=lambda f: f.first)


def place(settings: Settings) -> Path:
    """The folder `problems` in the outbox. Raises ConfigError when the outbox is not a local folder."""
    return folder(settings) / "problems"


def _file(settings: Settings, of: Command) -> Path:
    key = "\n".join([of.name, *sorted(of.tables or ())])
    return place(settings) / f"command-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _read(file: Path) -> CommandFailure | None:
    """The failure in a file; None when the file is missing or broken. Another process may remove it at any time."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        tables, hours = found["command"]["tables"], tuple(found["command"]["hours"])
        made = Command(found["command"]["name"], None if tables is None else frozenset(tables), hours)
        times = {key: datetime.fromisoformat(found[key]) for key in ("first", "last")}
        return CommandFailure(made, found["code"], found["error"], count=found["count"], **times)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(file: Path, failure: CommandFailure) -> None:
    write_json(file, asdict(failure))


def write_json(file: Path, document: Any) -> None:
    """Write a JSON document in one atomic step. Raises OSError when the folder cannot be written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(document, default=_plain, indent=1), encoding="utf-8")
    os.replace(part, file)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else sorted(value)
