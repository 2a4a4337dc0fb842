"""The errors of the command line. Each one prints one line and has its own exit code for a scheduler.

A message says what is wrong, where, and what to do next. `--debug` also prints the traceback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

ERROR_CLASS = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]")
LOGIN = re.compile(r"//[^/@\s]*:[^/@\s]*@")


class FeedEtlError(Exception):
    """Base class of every error that this project raises on purpose.

    `is_recorded` is true when a ledger row already records the failure.
    """

    exit_code = 1
    is_recorded = False


class ConfigError(FeedEtlError):
    """A setting, a parameter or the machine is not valid for this command (exit code 2)."""

    exit_code = 2


class LandingError(FeedEtlError):
    """The landing zone, or the source of an import, cannot be read (exit code 3)."""

    exit_code = 3


class GateFailed(FeedEtlError):
    """A batch failed its audit (the gate) and was not published (exit code 4).

    The message may show rows, and is only for the terminal. `lasting` may be stored and mailed: it only counts rows.
    """

    exit_code = 4

    def __init__(self, message: str, lasting: str = "") -> None:
        super().__init__(message)
        self.lasting = lasting or message


class ContractViolation(FeedEtlError):
    """A table module, a suite or a batch does not match its contract (exit code 5)."""

    exit_code = 5


class ConflictError(FeedEtlError):
    """Another run holds or has changed the same hours of a table (exit code 6)."""

    exit_code = 6


class LakeError(FeedEtlError):
    """The lake cannot be read or written (exit code 7)."""

    exit_code = 7


class MailError(FeedEtlError):
    """Mails could not be sent and stay in the outbox (exit code 8)."""

    exit_code = 8


class ProblemsFound(FeedEtlError):
    """`feed-etl status` found something that a person must do (exit code 9)."""

    exit_code = 9


class BreakingChange(FeedEtlError):
    """Tables have changed since another revision in a way that breaks what reads them (exit code 10)."""

    exit_code = 10


def lasting(error: BaseException) -> str:
    """The part of an error that may be stored and mailed: its class and its own text, without values of records.

    Text after a colon comes from another program and may contain a value of a row. Only Spark's error classes are
    taken from it.
    """
    if not isinstance(error, FeedEtlError):
        return type(error).__name__
    own = error.lasting if isinstance(error, GateFailed) else first_line(error).partition(": ")[0]
    classes = ", ".join(dict.fromkeys(ERROR_CLASS.findall(str(error))))
    return f"{type(error).__name__}: {LOGIN.sub('//', own)}{f' ({classes})' if classes else ''}"


def first_line(error: object, length: int = 200) -> str:
    """The first line of an error's text, cut to `length` characters for the terminal and the ledger."""
    return (str(error).strip().splitlines() or ["?"])[0][:length]


def faults(what: str, error: ValidationError) -> str:
    """One line for each fault that pydantic found: what is not valid, the field, and the value that it must have."""
    found = ((".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")) for fault in error.errors())
    return "\n".join(f"{what}: {place + ': ' if place else ''}{message}." for place, message in found)


def no_such(kind: str, name: str, known: Iterable[str], listed: str = "") -> ConfigError:
    """The error about a name that nothing has: which names are like it, and which there are.

    kind: what was named, such as `table`. listed: how the line about all names begins; by default the kind's plural.
    """
    names = list(known)
    like = [f"`{each}`" for each in get_close_matches(name, names)]
    meant = f" Did you mean {' or '.join(like)}?" if like else ""
    return ConfigError(f"There is no {kind} {name!r}.{meant} {listed or f'{kind.capitalize()}s:'} {', '.join(names)}.")
