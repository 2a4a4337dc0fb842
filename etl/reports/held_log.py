"""The held log: actions that the last `feed-etl maintain` held until somebody gives --yes.

It is one file, `<outbox>/problems/held.json`. The next `feed-etl maintain` writes it again. Like the text of an action,
it names tables, hours and counts, and nothing from a record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from etl.conf import Settings
from etl.operations.retention.action import Action
from etl.reports import failure_log

FILE = "held.json"


@dataclass(frozen=True)
class Held:
    """One held action, and the time of the first maintenance that held it."""

    step: str
    place: str
    what: str
    since: datetime


def write(settings: Settings, actions: Iterable[Action], complete: bool = True, now: datetime | None = None) -> bool:
    """Replace the log by the actions that need --yes. Returns whether the log has or had any.

    When the actions are not `complete`, because maintenance ended with an error, earlier ones stay in the log.

    Raises OSError when the file cannot be written, ConfigError when the outbox is not local.
    """
    before, begun = {(each.step, each.place): each for each in read(settings)}, now or datetime.now(UTC)
    held = {} if complete else dict(before)
    for action in actions:
        if action.needs_yes:
            key = (action.step, action.place)
            held[key] = Held(*key, action.what, before[key].since if key in before else begun)
    if held or before:
        failure_log.write_json(_file(settings), [asdict(each) for each in held.values()])
    return bool(held or before)


def read(settings: Settings) -> list[Held]:
    """The held actions; none when the file is missing or broken. Raises ConfigError when the outbox is not local."""
    try:
        found = json.loads(_file(settings).read_text(encoding="utf-8"))
        return [Held(**each | {"since": datetime.fromisoformat(each["since"])}) for each in found]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _file(settings: Settings) -> Path:
    return failure_log.place(settings) / FILE
