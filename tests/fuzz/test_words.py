"""Any arguments of `feed-etl` start the command or give an error of one line, before Spark starts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import typer.core
import typer.main
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from etl import catalog
from etl.cli import app
from etl.commands.cli_context import CliContext
from etl.errors import FeedEtlError
from etl.queries import named_query

WRITING = {"simulate", "demo", "docs", "open-bandit", "new-table", "register"}
"""Commands that may write a lot and do not call `CliContext.spark`, or open a session of their own: not tested here."""
HOUR = st.datetimes().map(lambda t: t.strftime("%Y-%m-%dT%H"))
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
KNOWN = st.sampled_from(
    [*catalog.entries(), *named_query.names(), "feed", "ads", "1/4", "0/0", "all", "missing", "v2", "json", "csv"]
)
NUMBER = st.integers().map(str) | st.floats().map(str) | st.sampled_from(["1e400", "9" * 5000, "٣", "0x1f"])
TRICKS = st.sampled_from(
    ["../../etc/passwd", "/dev/null", "'; DROP TABLE x; --", "{{7*7}}", "[bold]x", "a=b=c", "--help", "-", ""]
)
WORD = HOUR | KNOWN | NUMBER | TRICKS | TEXT


class Started(Exception):
    """The command has parsed its arguments and starts Spark."""


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that is not a group, with its path of names."""
    if isinstance(command, typer.core.TyperGroup):
        for name, inner in command.commands.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path, command


COMMANDS = {path: found for path, found in leaves(typer.main.get_command(app)) if path[-1] not in WRITING}


@st.composite
def typed(draw: st.DrawFn) -> list[str]:
    """A command with some of its parameters, and a random word for each."""
    path = draw(st.sampled_from(sorted(COMMANDS)))
    words = list(path)
    for parameter in COMMANDS[path].params:
        needed = parameter.required and draw(st.integers(0, 9))
        if needed or draw(st.booleans()):
            option = [parameter.opts[0]] if isinstance(parameter, typer.core.TyperOption) else []
            switch = isinstance(parameter, typer.core.TyperOption) and parameter.is_flag
            words += option if switch else [*option, draw(WORD)]
    return words


@contextmanager
def somewhere() -> Iterator[str]:
    """An empty working folder in which starting Spark raises Started."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(chdir(folder))
        variables = {"FEED_ETL_LAKE": f"{folder}/lake", "FEED_ETL_LANDING": f"{folder}/landing"}
        stack.enter_context(mock.patch.dict(os.environ, variables))
        for name in ("spark", "query_session"):
            stack.enter_context(mock.patch.object(CliContext, name, side_effect=Started))
        yield folder


@settings(deadline=None)
@given(words=typed())
def test_any_arguments_start_the_command_or_are_refused(words: list[str]) -> None:
    with somewhere() as folder:
        done = CliRunner().invoke(app, words)
        if isinstance(done.exception, FeedEtlError):
            assert len(str(done.exception).splitlines()) == 1, str(done.exception)
        else:
            assert done.exception is None or isinstance(done.exception, Started | SystemExit), words
        assert [f for f in Path(folder).rglob("*") if f.is_file() and "problems" not in f.parts] == []
