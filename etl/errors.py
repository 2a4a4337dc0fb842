"""The errors a user meets. Each is one line on the terminal and one exit code for a scheduler.

A message says what went wrong, where, and what to do next. The traceback is for `--debug`.
"""


class FeedEtlError(Exception):
    """Base of every error the suite raises on purpose."""

    exit_code = 1


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


def first_line(error: object, length: int = 200) -> str:
    """The first line of what an error says, cut to a length a terminal and a ledger can hold."""
    return (str(error).strip().splitlines() or ["?"])[0][:length]
