"""Commands that nobody may be watching: what they raise is kept in the failure log, for `report failures` to mail."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import typer

from etl.commands.place import Place
from etl.errors import ConfigError, FeedEtlError, lasting

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger("feed_etl")
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
            _note(context, error, 1)
            raise
        _note(context, None, 0)
        return result

    return inner


def _note(context: typer.Context, error: Exception | None, code: int) -> None:
    """What cannot be noted is a line in the log: the command's own end is what counts."""
    from etl.reports import failure_log

    here: Place = context.obj
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
