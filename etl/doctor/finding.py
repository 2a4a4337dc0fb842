"""What a check of `feed-etl doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Finding:
    """The result of a check: its name, its state, what it found, and the next step unless all is well."""

    check: str
    state: State
    what: str
    next: str = ""


def ok(check: str, what: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "ok", what)


def warning(check: str, what: str, step: str) -> Finding:
    """Runs work, but a person should know."""
    return Finding(check, "warning", what, step)


def failed(check: str, what: str, step: str) -> Finding:
    """A run would fail, or do the wrong thing."""
    return Finding(check, "failed", what, step)
