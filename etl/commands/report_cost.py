"""Logs what a report cost, like the questions of `query` and `sql`."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import typer

from etl.commands.cli_context import TEAM, CliContext

P = ParamSpec("P")
R = TypeVar("R")


def costed(command: Callable[P, R]) -> Callable[P, R]:
    """Decorate a report command: when it ends, one row of `fct_query_cost` has its tables, bytes, CPU and seconds."""

    @functools.wraps(command)
    def inner(*args: P.args, **named: P.kwargs) -> R:
        started = time.monotonic()
        try:
            return command(*args, **named)
        finally:
            context = cast(typer.Context, named["context"])  # typer passes it by keyword
            cli: CliContext = context.obj
            _log(cli, str(context.info_name), time.monotonic() - started)

    return inner


def _log(cli: CliContext, name: str, seconds: float) -> None:
    from pyspark.sql import SparkSession

    from etl.engine.sql import cost

    if spark := SparkSession.getActiveSession():  # None: the command failed before it needed Spark
        cost.log_report(spark, cli.settings, name, os.environ.get(TEAM), seconds)
