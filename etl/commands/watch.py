"""Records failures of unattended commands in the failure log, so that `report failures` can mail them."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import typer

from etl.commands.cli_context import CliContext
from etl.errors import ConfigError, FeedEtlError, LakeError, first_line, lasting

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger("feed_etl")
FILE_ERROR = re.compile(r"(?:java\.(?:io|nio\.file)|org\.apache\.hadoop\.fs)\.\w*Exception[^\n]*")
PRIVATE = ("erase",)  # messages of this command may contain ids of people, so only the class is recorded


def watched(command: Callable[P, R]) -> Callable[P, R]:
    """Decorate a command: its failure is recorded in the failure log, its success ends an earlier failure."""

    @functools.wraps(command)
    def inner(*args: P.args, **named: P.kwargs) -> R:
        context = cast(typer.Context, named["context"])  # typer passes it by keyword
        try:
            result = command(*args, **named)
        except FeedEtlError as error:
            _log_failure(context, error, error.exit_code)
            raise
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            file_error = _file_error(error)
            _log_failure(context, file_error or error, file_error.exit_code if file_error else 1)
            if file_error:
                raise file_error from error
            raise
        _log_failure(context, None, 0)
        return result

    return inner


def _file_error(error: Exception) -> LakeError | None:
    """A LakeError for an exception of a disk or an object store, raised in Python or Java. None for other errors."""
    from py4j.protocol import Py4JJavaError  # here, so that `--help` does not import Spark
    from pyspark.errors import PySparkException

    found = FILE_ERROR.search(str(error)) if isinstance(error, Py4JJavaError | PySparkException) else None
    if found is None and (not isinstance(error, OSError) or isinstance(error, ConnectionError)):
        return None
    cause = first_line(found[0] if found else error)
    return LakeError(f"A file could not be read or written: {cause}. Repair that, then run again.")


def _log_failure(context: typer.Context, error: Exception | None, code: int) -> None:
    """Record or clear a failure. If that fails, only log a line: the result of the command itself matters more.

    A failure of a run with --outcomes is not recorded: the scheduler then runs each table, and reports those that fail.
    """
    from etl.reports import failure_log

    if error and context.params.get("outcomes"):
        return
    cli: CliContext = context.obj
    name = " ".join(context.command_path.split()[1:])
    logged = failure_log.command(name, context.params)
    try:
        if error is None or getattr(error, "is_recorded", False):
            failure_log.clear(cli.settings, logged)
        elif not isinstance(error, ConfigError) or failure_log.place(cli.settings).parent.parent.is_dir():
            text = type(error).__name__ if name in PRIVATE else lasting(error)
            failure_log.note(cli.settings, logged, code, text)
    except (OSError, ConfigError) as why:
        log.warning("the failure of %s could not be recorded: %s", name, why)
