"""The failure log: commands that failed before the ledger could record it, such as a run without a landing zone.

One file per command below `<outbox>/problems/`. A failure of the same command is counted in its file; a success over
the same hours and tables removes it. Nothing in it comes from a record: of an error only `errors.lasting` is kept.
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
MAX_HOURS = 10_000  # of one command; a longer range is not followed hour by hour


@dataclass(frozen=True)
class Command:
    """A command of `feed-etl`: its name, the tables it is limited to (None: all) and the landed hours it is about."""

    name: str
    tables: frozenset[str] | None = None
    hours: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As it is shown; the tables of a subject would be too many to name."""
        named = sorted(self.tables or ())
        return " ".join([self.name, *(f"--table {name}" for name in named)]) if len(named) <= 3 else self.name

    def covers(self, other: Command) -> bool:
        """Whether a success of this one does what the other did, but for hours; a canceled backfill is done with."""
        wide = self.tables is None or (other.tables is not None and other.tables <= self.tables)
        return (self.name == other.name and wide) or (self.name, other.name) == ("backfill cancel", "backfill run")


@dataclass(frozen=True)
class CommandFailure:
    """A command that failed and has not succeeded since. Its exit code is None when it was killed."""

    command: Command
    code: int | None
    error: str
    first: datetime
    last: datetime
    count: int = 1


def command(name: str, options: Mapping[str, Any]) -> Command:
    """A command by its options `table`, `subject`, `start` and `end`; what they hold may be wrong.

    Only a run is done hour by hour; any other command is done when it succeeds once.
    """
    tables, subjects = options.get("table"), options.get("subject")
    limited = frozenset(tables) if tables else None
    try:
        limited = frozenset(catalog.of_subjects(subjects)) if subjects else limited
        start, end = (datetime.strptime(str(options.get(key)), HOUR) for key in ("start", "end"))
    except (ConfigError, ValueError):
        return Command(name, limited)
    if name != "run":
        return Command(name, limited)
    count = min(MAX_HOURS, max(0, int((end - start) / timedelta(hours=1))))
    return Command(name, limited, tuple(f"{start + timedelta(hours=i):{HOUR}}" for i in range(count)))


def of_words(words: Iterable[str]) -> Command:
    """A command as a scheduler runs it: `run --from … --to … --table …`."""
    left, options = list(words), dict[str, Any]()
    name = left[: 2 if left[:1] in (["backfill"], ["report"]) else 1]
    keys = {"--from": "start", "--to": "end", "--table": "table", "--subject": "subject"}
    for option, value in pairwise(left):
        if key := keys.get(option):
            options[key] = [*options.get(key, []), value] if key in ("table", "subject") else value
    return command(" ".join(name), options)


def note(settings: Settings, failed: Command, code: int | None, error: str, now: datetime | None = None) -> None:
    """Count a failure. Raises OSError when it cannot be written, ConfigError when the outbox is not a local folder."""
    now, file = now or datetime.now(UTC), _file(settings, failed)
    before = _read(file)
    made = CommandFailure(failed, code, error, now, now)
    if before:
        hours = tuple(sorted({*before.command.hours, *failed.hours}))
        made = replace(made, command=replace(failed, hours=hours), first=before.first, count=before.count + 1)
    _write(file, made)


def clear(settings: Settings, done: Command) -> None:
    """A command succeeded: what it covers is no failure any more. Errors as `note`."""
    for failure in failures(settings):
        if done.covers(failure.command):
            left = tuple(hour for hour in failure.command.hours if hour not in set(done.hours))
            file = _file(settings, failure.command)
            if left:
                _write(file, replace(failure, command=replace(failure.command, hours=left)))
            else:
                file.unlink(missing_ok=True)


def failures(settings: Settings) -> list[CommandFailure]:
    """Commands that failed and have not succeeded since, oldest first. Raises ConfigError as `note`."""
    found = (_read(file) for file in sorted(place(settings).glob("command-*.json")))
    return sorted((f for f in found if f), key=lambda f: f.first)


def place(settings: Settings) -> Path:
    """The folder of problems, in the outbox. Raises ConfigError when that is not a local folder."""
    return folder(settings) / "problems"


def _file(settings: Settings, of: Command) -> Path:
    key = "\n".join([of.name, *sorted(of.tables or ())])
    return place(settings) / f"command-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _read(file: Path) -> CommandFailure | None:
    """None when there is none, or what is there is no failure: another process may have removed it meanwhile."""
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
    """Write a document in one step. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(document, default=_plain, indent=1), encoding="utf-8")
    os.replace(part, file)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else sorted(value)
