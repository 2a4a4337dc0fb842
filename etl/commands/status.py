"""`feed-etl status`: the state of a lake on one screen, read from its ledger without Spark."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import typer

from etl import terminal
from etl.commands.cli_context import CliContext, Json
from etl.errors import ProblemsFound


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show the state of the lake on one screen: freshness, gates, quarantine, backlog, and what to do. No Spark.

    The exit code is 0 when nothing but warnings is open, 9 when something is to do, 7 when the lake cannot be read.
    """
    from etl.commands import screen, status_screen
    from etl.reports import status as of

    cli: CliContext = context.obj
    found = of.of_lake(cli.settings, datetime.now(UTC))
    if as_json:
        terminal.print_document(found.as_json())
    else:
        status_screen.show(found, screen.console(sys.stdout))
    if not found.is_ok:
        count = sum(not each.is_warning for each in found.todo)
        raise ProblemsFound(f"{count} problems are open. Each one above names the next step; see docs/runbook.md.")
