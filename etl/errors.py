"""The errors a user meets. Each is one line on the terminal and one exit code for a scheduler.

A message says what went wrong, where, and what to do next. The traceback is for `--debug`.
"""

import re

ERROR_CLASS = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]")
LOGIN = re.compile(r"//[^/@\s]*:[^/@\s]*@")


class FeedEtlError(Exception):
    """Base of every error the suite raises on purpose. `is_recorded`: a ledger row says so already."""

    exit_code = 1
    is_recorded = False


class ConfigError(FeedEtlError):
    """A setting, a parameter or the machine itself is not as it must be (exit code 2)."""

    exit_code = 2


class LandingError(FeedEtlError):
    """The landing zone, or the source of an import, cannot be read (exit code 3)."""

    exit_code = 3


class GateFailed(FeedEtlError):
    """A batch failed its gate and was not published (exit code 4).

    The message may show rows, for whoever reads it now; `lasting` is what may be kept: it counts them.
    """

    exit_code = 4

    def __init__(self, message: str, lasting: str = "") -> None:
        super().__init__(message)
        self.lasting = lasting or message


class ContractViolation(FeedEtlError):
    """A table module, a suite or a batch does not match its contract (exit code 5)."""

    exit_code = 5


class ConflictError(FeedEtlError):
    """Another run holds or changed the same table-hours (exit code 6)."""

    exit_code = 6


class LakeError(FeedEtlError):
    """The lake cannot be read or written (exit code 7)."""

    exit_code = 7


class MailError(FeedEtlError):
    """Mails could not be sent; they wait in the outbox (exit code 8)."""

    exit_code = 8


def lasting(error: BaseException) -> str:
    """What may be kept and mailed of an error: its class and its own words, which hold nothing of a record.

    What comes after a colon is the text of another program; it may hold a value of a row, so only error classes of
    Spark are taken from it.
    """
    if not isinstance(error, FeedEtlError):
        return type(error).__name__
    own = error.lasting if isinstance(error, GateFailed) else first_line(error).partition(": ")[0]
    classes = ", ".join(dict.fromkeys(ERROR_CLASS.findall(str(error))))
    return f"{type(error).__name__}: {LOGIN.sub('//', own)}{f' ({classes})' if classes else ''}"


def first_line(error: object, length: int = 200) -> str:
    """The first line of what an error says, cut to a length a terminal and a ledger can hold."""
    return (str(error).strip().splitlines() or ["?"])[0][:length]
