"""Commands that nobody may be watching: what they raise is kept in the failure log, for `report failures` to mail."""

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
OF_FILES = re.compile(r"(?:java\.(?:io|nio\.file)|org\.apache\.hadoop\.fs)\.\w*Exception[^\n]*")
SILENT = ("erase",)  # its messages may name whom it is about


def watched(command: Callable[P, R]) -> Callable[P, R]:
    """The same command; a failure of it is noted, and its success ends one that was noted before."""

    @functools.wraps(command)
    def inner(*args: P.args, **named: P.kwargs) -> R:
        context = cast(typer.Context, named["context"])  # as typer calls every command
        try:
            result = command(*args, **named)
        except FeedEtlError as error:
            _note(context, error, error.exit_code)
            raise
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            ours = _of_files(error)
            _note(context, ours or error, ours.exit_code if ours else 1)
            if ours:
                raise ours from error
            raise
        _note(context, None, 0)
        return result

    return inner


def _of_files(error: Exception) -> LakeError | None:
    """An error of ours for what a disk or a store raised, wherever it came from; None for what is no such failure."""
    from py4j.protocol import Py4JJavaError  # what only asks for help need not wait for Spark
    from pyspark.errors import PySparkException

    found = OF_FILES.search(str(error)) if isinstance(error, Py4JJavaError | PySparkException) else None
    if found is None and (not isinstance(error, OSError) or isinstance(error, ConnectionError)):
        return None
    said = first_line(found[0] if found else error)
    return LakeError(f"A file could not be read or written: {said}. Mend that, then run again.")


def _note(context: typer.Context, error: Exception | None, code: int) -> None:
    """What cannot be noted is a line in the log: the command's own end is what counts."""
    from etl.reports import failure_log

    here: CliContext = context.obj
    name = " ".join(context.command_path.split()[1:])
    ran = failure_log.command(name, context.params)
    try:
        if error is None or getattr(error, "is_recorded", False):
            failure_log.clear(here.settings, ran)
        elif not isinstance(error, ConfigError) or failure_log.place(here.settings).parent.parent.is_dir():
            text = type(error).__name__ if name in SILENT else lasting(error)
            failure_log.note(here.settings, ran, code, text)
    except (OSError, ConfigError) as why:
        log.warning("the failure of %s could not be noted: %s", name, why)
