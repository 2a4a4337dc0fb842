"""`feed-etl check`: compare the ledger, the Delta logs, files, checksums and landed files of a lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from etl import terminal
from etl.commands.cli_context import CliContext, Json
from etl.errors import LakeError

if TYPE_CHECKING:
    from etl.operations.check.finding import Finding


def check(
    context: typer.Context,
    deep: Annotated[bool, typer.Option("--deep", help="Read every file: checksums, keys, dimensions.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild a lost ledger; make the next run rebuild what differs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare the ledger, Delta logs, files, checksums and landed files. Writes nothing without --repair."""
    from etl.operations.check import driver

    cli: CliContext = context.obj

    def show(finding: Finding, done: str) -> None:
        if not as_json:
            line = f"{'note' if finding.is_note else finding.kind}  {finding}"
            terminal.print_line(f"{line}{'. ' + done if done else ''}")

    found = driver.check(cli.spark(), cli.settings, deep, repair, show)
    if as_json:
        terminal.print_document([finding.as_json() | {"repair": done} for finding, done in found])
    left = [finding for finding, done in found if not finding.is_note and not done]
    if left:
        raise LakeError(
            f"{len(left)} differences in the lake. Each line above names the next step; see docs/runbook.md."
        )
    if not as_json:
        terminal.out.print("All differences are repaired or planned." if found else "No differences.")
