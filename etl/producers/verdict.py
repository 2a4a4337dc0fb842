"""What `feed-etl validate` says about a file: counts, reasons, names of fields, and the first refused records."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from etl.model.contract import Event

MAX_LENGTH = 80
"""Characters of a value that a line shows."""


@dataclass(frozen=True)
class RefusedRecord:
    """A record that landing refuses: its line (in Parquet and Avro: the number of its row, from 1) and why.

    values: field -> its value, as JSON text, for the fields that the reasons are about.
    """

    line: int
    reasons: list[str]
    values: dict[str, str]


@dataclass(frozen=True)
class Verdict:
    """What landing would do with one file.

    problem: why the whole file is refused; empty when its records were judged. hour: the landed hour that its times
    were compared with; None: they were not. first, last: the earliest and latest of the event's own times.
    reasons: reason -> records. unknown: name of no field -> the field that it may mean. missing: required fields that
    no record has. stops_hour: whether a landed hour of this file alone would fail its gate.
    """

    file: str
    problem: str = ""
    hour: str | None = None
    read: int = 0
    accepted: int = 0
    first: str | None = None
    last: str | None = None
    reasons: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, str | None] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    stops_hour: bool = False
    records: list[RefusedRecord] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """Records that would be quarantined."""
        return self.read - self.accepted

    @property
    def passes(self) -> bool:
        """Whether landing accepts the file and all of its records."""
        return not self.problem and not self.refused


def values(event: Event, reasons: list[str], raw: str, show_personal: bool) -> dict[str, str]:
    """Field -> its value in a refused record, for the fields that the reasons are about.

    Values of people are described, not shown, unless `show_personal`: a terminal of CI is a log that others read.
    """
    try:
        record = json.loads(raw)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        text = _cut(raw) if show_personal else f"text of {len(raw)} characters"
        return {"(record)": text}
    personal = {f.name for f in event.fields if f.privacy != "none"}
    return {
        name: _cut(json.dumps(record[name], ensure_ascii=False))
        if show_personal or name not in personal
        else _described(record[name])
        for name in sorted({name for reason in reasons for name in _fields(event, reason)})
        if record.get(name) is not None
    }


def _fields(event: Event, reason: str) -> list[str]:
    """The fields that a reason is about: the one that it names, or those that its rule or a time limit reads."""
    names = [f.name for f in event.fields]
    named = reason.partition(":")[2]
    if named in names:
        return [named]
    texts = [sql for rule, sql in event.rules if rule == reason]
    texts += [time for time, _ in event.times] if reason in ("too_late", "in_future") else []
    return [name for name in names if any(re.search(rf"\b{name}\b", text) for text in texts)]


def _described(value: Any) -> str:
    if isinstance(value, str):
        return f"text of {len(value)} characters"
    return "a number" if isinstance(value, int | float) and not isinstance(value, bool) else f"a {type(value).__name__}"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"
